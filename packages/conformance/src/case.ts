/** One promise of a contract, as data. `Facts` decide whether it applies; `Context` is what it works with. */
export interface Case<Context, Facts, Group extends string = string> {
  /** `group.what`, stable over versions. */
  readonly id: string;
  readonly group: Group;
  /** A sentence that is true of what conforms. */
  readonly title: string;
  /** True where the case applies; otherwise the reason why it does not. */
  readonly needs?: (facts: Facts) => true | string;
  /** Milliseconds that it may take before the time scale; 30,000 by default. */
  readonly limitMs?: number;
  /** Rejects when the promise is not kept. */
  run(context: Context): Promise<void>;
}

/** The bound of a case, in milliseconds, under a time scale. */
export function limitOf(conformance: { readonly limitMs?: number }, timeScale = 1): number {
  return (conformance.limitMs ?? 30_000) * timeScale;
}

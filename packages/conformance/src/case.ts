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

/** What a case has besides its name and what it does. */
export type CaseBody<Facts> = Pick<Case<never, Facts>, 'needs' | 'limitMs'>;

/** Gives each case of a group its full id: `caseOf('exit')('codes', 'exit codes arrive', async (c) => …)`. */
export function caseMaker<Context, Facts, Group extends string>() {
  return (group: Group) =>
    (
      what: string,
      title: string,
      run: (context: Context) => Promise<void>,
      body: CaseBody<Facts> = {},
    ): Case<Context, Facts, Group> => ({ id: `${group}.${what}`, group, title, run, ...body });
}

/** The bound of a case, in milliseconds, under a time scale. */
export function limitOf(conformance: { readonly limitMs?: number }, timeScale = 1): number {
  return (conformance.limitMs ?? 30_000) * timeScale;
}

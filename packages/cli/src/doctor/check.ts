/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** `missing`: what needs it cannot work; `warning`: it works, with less. */
  readonly state: 'ok' | 'warning' | 'missing';
  /** One sentence. */
  readonly detail: string;
  /** What to do, a command where there is one. */
  readonly remedy?: string;
  /** What an executor found on this host. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

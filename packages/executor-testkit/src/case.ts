import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import type { CaseContext } from './context.js';

/** Groups in the order of the report. */
export const groups = [
  'identity',
  'probe',
  'prepare',
  'tool',
  'files',
  'output',
  'exit',
  'cancel',
  'collect',
  'dispose',
  'recovery',
  'refusal',
  'limits',
  'hostile',
] as const;
export type Group = (typeof groups)[number];

/** One promise of the contract, as data. */
export interface ConformanceCase {
  /** `group.what`, stable over versions. */
  readonly id: string;
  readonly group: Group;
  /** A sentence that is true of a conforming executor. */
  readonly title: string;
  /** True where the case applies; otherwise the reason why it does not. */
  readonly needs?: (capabilities: ExecutorCapabilities) => true | string;
  /** Milliseconds that it may take before the time scale; 30,000 by default. */
  readonly limitMs?: number;
  /** Rejects when the promise is not kept. */
  run(context: CaseContext): Promise<void>;
}

type CaseBody = Omit<ConformanceCase, 'id' | 'group' | 'title' | 'run'>;

/** Gives each case of a group its full id: `caseOf('exit')('codes', 'exit codes arrive', async (c) => …)`. */
export function caseOf(group: Group) {
  return (
    what: string,
    title: string,
    run: (context: CaseContext) => Promise<void>,
    body: CaseBody = {},
  ): ConformanceCase => ({ id: `${group}.${what}`, group, title, run, ...body });
}

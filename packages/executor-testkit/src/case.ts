import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import { type Case, caseMaker } from '@ritmo/conformance';
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
/** What a case is about. */
export type Group = (typeof groups)[number];

/** One promise of the contract, as data. */
export type ConformanceCase = Case<CaseContext, ExecutorCapabilities, Group>;

/** Gives each case of a group its full id: `caseOf('exit')('codes', 'exit codes arrive', async (c) => …)`. */
export const caseOf = caseMaker<CaseContext, ExecutorCapabilities, Group>();

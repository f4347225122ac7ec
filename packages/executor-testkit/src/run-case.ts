import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import { type CaseResult as Result, type Runner, runOne } from '@ritmo/conformance';
import type { ConformanceCase, Group } from './case.js';
import { CaseContext } from './context.js';
import type { ConformanceSubject } from './subject.js';

/** What a case came to. */
export type CaseResult = Result<Group>;

/** Runs one case with an executor of its own, cleans up, and asks the witness. Never rejects. */
export function runCase(subject: ConformanceSubject, conformance: ConformanceCase): Promise<CaseResult> {
  return runOne(runnerOf(subject), conformance);
}

/** How the cases are run for a subject. */
export function runnerOf(subject: ConformanceSubject): Runner<CaseContext, ExecutorCapabilities, Group> {
  return {
    open: () => CaseContext.open(subject),
    factsOf: (context) => context.executor.capabilities,
    refusals: ['refusal'],
    ...(subject.timeScale === undefined ? {} : { timeScale: subject.timeScale }),
  };
}

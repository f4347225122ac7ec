import { type Report, runCases } from '@ritmo/conformance';
import { type ConformanceCase, type Group, groups } from './case.js';
import { conformanceCases } from './cases/index.js';
import { type CaseResult, runnerOf } from './run-case.js';
import type { ConformanceSubject } from './subject.js';

/** Which cases are run, and who is told. */
export interface ConformanceOptions {
  /** The cases to run; all of them by default. */
  readonly cases?: readonly ConformanceCase[];
  /** Told of each case as it ends. */
  readonly onResult?: (result: CaseResult) => void;
}

/** What a run of the kit came to. */
export interface ConformanceReport extends Report<Group> {
  /** Revision of the executor contract that was checked. */
  readonly contract: 1;
}

/** Runs the cases one after another, each with an executor, an owner and a state folder of its own. */
export async function runConformance(
  subject: ConformanceSubject,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const { cases = conformanceCases, onResult } = options;
  const report = await runCases({ subject: subject.name, runner: runnerOf(subject), cases, groups, onResult });
  return { ...report, contract: 1 };
}

import { type ConformanceCase, type Group, groups } from './case.js';
import { conformanceCases } from './cases/index.js';
import { type CaseResult, runCase } from './run-case.js';
import type { ConformanceSubject } from './subject.js';

export interface ConformanceOptions {
  /** The cases to run; all of them by default. */
  readonly cases?: readonly ConformanceCase[];
  /** Told of each case as it ends. */
  readonly onResult?: (result: CaseResult) => void;
}

export interface ConformanceReport {
  readonly subject: string;
  /** Revision of the executor contract that was checked. */
  readonly contract: 1;
  readonly results: readonly CaseResult[];
  /** True when no case failed. */
  readonly conforms: boolean;
  /** Groups in which a case was passed and none failed. */
  readonly groups: readonly Group[];
}

/** Runs the cases one after another, each with an executor, an owner and a state folder of its own. */
export async function runConformance(
  subject: ConformanceSubject,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const results: CaseResult[] = [];
  for (const conformance of options.cases ?? conformanceCases) {
    const result = await runCase(subject, conformance);
    results.push(result);
    options.onResult?.(result);
  }
  return {
    subject: subject.name,
    contract: 1,
    results,
    conforms: results.every((result) => result.status !== 'failed'),
    groups: groups.filter((group) => isKept(results.filter((result) => result.group === group))),
  };
}

function isKept(results: readonly CaseResult[]): boolean {
  const applied = results.filter((result) => result.status !== 'not-applicable');
  return applied.length > 0 && applied.every((result) => result.status !== 'failed');
}

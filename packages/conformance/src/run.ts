import type { Case } from './case.js';
import { type CaseResult, type Runner, runOne } from './run-case.js';

/** What a run of a kit came to. */
export interface Report<Group extends string = string> {
  /** What was checked, by name. */
  readonly subject: string;
  readonly results: readonly CaseResult<Group>[];
  /** True when no case failed. */
  readonly conforms: boolean;
  /** Groups in which a case was passed and none failed, in the order of the kit. */
  readonly groups: readonly Group[];
}

/** What is run, and who is told. */
export interface RunOptions<Context extends AsyncDisposable, Facts, Group extends string> {
  readonly subject: string;
  readonly runner: Runner<Context, Facts, Group>;
  readonly cases: readonly Case<Context, Facts, Group>[];
  /** Groups in the order of the report. */
  readonly groups: readonly Group[];
  /** Told of each case as it ends. */
  readonly onResult?: ((result: CaseResult<Group>) => void) | undefined;
}

/** Runs the cases one after another. Never rejects. */
export async function runCases<Context extends AsyncDisposable, Facts, Group extends string>(
  options: RunOptions<Context, Facts, Group>,
): Promise<Report<Group>> {
  const results: CaseResult<Group>[] = [];
  for (const conformance of options.cases) {
    const result = await runOne(options.runner, conformance);
    results.push(result);
    options.onResult?.(result);
  }
  return {
    subject: options.subject,
    results,
    conforms: results.every((result) => result.status !== 'failed'),
    groups: options.groups.filter((group) => isKept(results.filter((result) => result.group === group))),
  };
}

function isKept(results: readonly CaseResult[]): boolean {
  const applied = results.filter((result) => result.status !== 'not-applicable');
  return applied.length > 0 && applied.every((result) => result.status !== 'failed');
}

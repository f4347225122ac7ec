import { isDeepStrictEqual } from 'node:util';
import type { ConformanceCase, Group } from './case.js';
import { CaseContext } from './context.js';
import type { ConformanceSubject } from './subject.js';
import { within } from './within.js';

/** `refused` is a pass too: the executor does not declare the ability, and refuses it as it must. */
export type CaseStatus = 'passed' | 'refused' | 'failed' | 'not-applicable';

export interface CaseResult {
  readonly id: string;
  readonly group: Group;
  readonly title: string;
  readonly status: CaseStatus;
  readonly durationMs: number;
  /** Why it failed, or does not apply. */
  readonly reason?: string;
  readonly error?: Error;
}

/** Runs one case with an executor of its own, cleans up, and asks the witness. Never rejects. */
export async function runCase(subject: ConformanceSubject, conformance: ConformanceCase): Promise<CaseResult> {
  const start = performance.now();
  const { id, group, title } = conformance;
  const result = (status: CaseStatus, problem?: string | Error): CaseResult => ({
    id,
    group,
    title,
    status,
    durationMs: performance.now() - start,
    ...(problem === undefined ? {} : { reason: typeof problem === 'string' ? problem : problem.message }),
    ...(problem instanceof Error ? { error: problem } : {}),
  });

  let context: CaseContext;
  try {
    context = await CaseContext.open(subject);
  } catch (error) {
    return result('failed', asError(error));
  }
  const before = structuredClone(context.executor.capabilities);
  const applies = conformance.needs?.(context.executor.capabilities) ?? true;
  const errors: Error[] = [];
  if (applies === true) {
    await within(
      'the case',
      (conformance.limitMs ?? 30_000) * (subject.timeScale ?? 1),
      conformance.run(context),
    ).catch((error: unknown) => errors.push(asError(error)));
    if (!isDeepStrictEqual(before, context.executor.capabilities)) {
      errors.push(new Error('the capabilities changed while the case ran'));
    }
  }
  await context[Symbol.asyncDispose]().catch((error: unknown) => errors.push(asError(error)));

  if (errors.length > 0) return result('failed', joined(errors));
  if (applies !== true) return result('not-applicable', applies);
  return result(group === 'refusal' ? 'refused' : 'passed');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function joined(errors: readonly Error[]): Error {
  const [first] = errors;
  if (first !== undefined && errors.length === 1) return first;
  return new AggregateError(errors, errors.map((error) => error.message).join('\n'));
}

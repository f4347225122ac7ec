import { isDeepStrictEqual } from 'node:util';
import { type Case, limitOf } from './case.js';
import { within } from './within.js';

/** `refused` is a pass too: the ability is not declared, and what asks for it is refused as it must be. */
export type CaseStatus = 'passed' | 'refused' | 'failed' | 'not-applicable';

/** What a case came to. */
export interface CaseResult<Group extends string = string> {
  /** Id of the case. */
  readonly id: string;
  /** What it is about. */
  readonly group: Group;
  /** What is promised. */
  readonly title: string;
  /** Whether it is kept. */
  readonly status: CaseStatus;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Why it failed, or does not apply. */
  readonly reason?: string;
  /** What it rejected with. */
  readonly error?: Error;
}

/** How the cases of a kit are run. */
export interface Runner<Context extends AsyncDisposable, Facts, Group extends string = string> {
  /** What a case works with, made anew for each; its dispose cleans up, and rejects with what was left. */
  readonly open: () => Promise<Context>;
  /** What decides which cases apply. It must be the same before and after a case. */
  readonly factsOf: (context: Context) => Facts;
  /** Multiplies every bound of time; 1 by default. */
  readonly timeScale?: number;
  /** Groups whose cases are passed by a refusal. */
  readonly refusals?: readonly Group[];
}

/** Runs one case and cleans up. Never rejects. */
export async function runOne<Context extends AsyncDisposable, Facts, Group extends string>(
  runner: Runner<Context, Facts, Group>,
  conformance: Case<Context, Facts, Group>,
): Promise<CaseResult<Group>> {
  const start = performance.now();
  const { id, group, title } = conformance;
  const result = (status: CaseStatus, problem?: string | Error): CaseResult<Group> => ({
    id,
    group,
    title,
    status,
    durationMs: performance.now() - start,
    ...(problem === undefined ? {} : { reason: typeof problem === 'string' ? problem : problem.message }),
    ...(problem instanceof Error ? { error: problem } : {}),
  });

  let context: Context;
  try {
    context = await runner.open();
  } catch (error) {
    return result('failed', asError(error));
  }
  const before = structuredClone(runner.factsOf(context));
  const applies = conformance.needs?.(runner.factsOf(context)) ?? true;
  const errors: Error[] = [];
  if (applies === true) {
    const running = conformance.run(context);
    await within('the case', limitOf(conformance, runner.timeScale), running).catch((error: unknown) =>
      errors.push(asError(error)),
    );
    if (!isDeepStrictEqual(before, runner.factsOf(context))) {
      errors.push(new Error('the capabilities changed while the case ran'));
    }
  }
  await Promise.resolve(context[Symbol.asyncDispose]()).catch((error: unknown) => errors.push(asError(error)));

  if (errors.length > 0) return result('failed', joined(errors));
  if (applies !== true) return result('not-applicable', applies);
  return result(runner.refusals?.includes(group) === true ? 'refused' : 'passed');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function joined(errors: readonly Error[]): Error {
  const [first] = errors;
  if (first !== undefined && errors.length === 1) return first;
  return new AggregateError(errors, errors.map((error) => error.message).join('\n'));
}

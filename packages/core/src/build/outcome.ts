import type { Failure, Outcome } from '@ritmo/protocol';
import { codes, isCode } from '@ritmo/protocol';
import { formatDuration, showDuration } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { CancelReason } from '../executor/request.js';
import type { StepExit } from '../executor/sandbox.js';

/** How a build ended and why; `exitCode` and `signal` are those of the step that decided. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly failure?: Failure;
  readonly exitCode?: number;
  readonly signal?: string;
}

export const succeeded: Verdict = { outcome: 'succeeded' };

/** An error of the infrastructure, as the end of a build; `mask` hides its secrets. */
export function errored(error: unknown, mask = (text: string): string => text): Verdict {
  const { code, message, retryable, hint } = RitmoError.from(error);
  return { outcome: 'errored', failure: { code, message: mask(message), retryable, hint } };
}

/** Whether the executor cannot work now, whatever the build does. */
export function isOfExecutor(error: unknown): error is RitmoError {
  return error instanceof RitmoError && error.code === 'RITMO_EXECUTOR_UNAVAILABLE';
}

/** What artifacts that were not stored make of the verdict on the steps. */
export function afterStoring(verdict: Verdict, failure: Failure | undefined): Verdict {
  if (!failure || verdict.outcome !== 'succeeded') return verdict;
  return { outcome: failure.code === 'RITMO_ARTIFACT_MISSING' ? 'failed' : 'errored', failure };
}

/** The verdict of a build that was stopped. */
export function stopped(reason: CancelReason, detail?: string): Verdict {
  const [outcome, code, message] = stops[reason];
  const entry = codes[code];
  return { outcome, failure: { code, message: detail ?? message, retryable: entry.retryable, hint: entry.hint } };
}

const stops = {
  user: ['cancelled', 'RITMO_CANCELLED', 'The job was cancelled by a user.'],
  superseded: ['cancelled', 'RITMO_CANCELLED', 'The job was cancelled because a newer one replaces it.'],
  'job-timeout': ['timed_out', 'RITMO_JOB_TIMEOUT', 'The job ran longer than its timeout.'],
  'step-timeout': ['timed_out', 'RITMO_STEP_TIMEOUT', 'A step ran longer than its timeout.'],
  'agent-stopping': ['errored', 'RITMO_AGENT_STOPPING', 'The worker was stopped before the job ended.'],
  'lease-lost': ['errored', 'RITMO_LEASE_LOST', 'The worker lost its lease on the job.'],
  limit: ['failed', 'RITMO_LIMIT_HIT', 'The build ran into one of its limits.'],
} as const satisfies Record<CancelReason, readonly [Outcome, keyof typeof codes, string]>;

/** The verdict of a step that did not succeed by itself. `name` is masked; `mask` hides what else is told. */
export function stepFailed(
  name: string,
  exit: StepExit,
  durationMs: number,
  mask: (text: string) => string,
  timeoutMs?: number,
): Verdict {
  // Named by its script where it has no name: quotes of that are shown as they are.
  const step = name.includes('"') ? `step '${name}'` : `step "${name}"`;
  const after = `after ${showDuration(durationMs)}`;
  if (exit.status === 'cancelled') {
    const detail =
      exit.reason === 'step-timeout' && timeoutMs !== undefined
        ? `${step} ran longer than its timeout of ${formatDuration(timeoutMs)}`
        : undefined;
    return stopped(exit.reason, detail);
  }
  if (exit.status === 'not-started') {
    const { code, message, retryable, hint } = exit.error;
    return {
      outcome: 'failed',
      failure: { code, message: `${step} could not start: ${mask(message)}`, retryable, hint },
    };
  }
  const how = exit.status === 'exited' ? `exited with ${exit.code}` : `was ended by ${exit.signal}`;
  const ends = exit.status === 'exited' ? { exitCode: exit.code } : { signal: exit.signal };
  const code = exit.limit ? 'RITMO_LIMIT_HIT' : 'RITMO_STEP_FAILED';
  const limit = exit.limit ? `, at its ${exit.limit} limit,` : '';
  return {
    outcome: 'failed',
    ...ends,
    failure: { code, message: `${step} ${how}${limit} ${after}`, retryable: false, hint: codes[code].hint },
  };
}

/** The last line of a log: what happened and why. */
export function closingLine(verdict: Verdict, durationMs: number): string {
  if (verdict.outcome === 'succeeded') return `succeeded in ${showDuration(durationMs)}`;
  const { failure } = verdict;
  if (!failure) return verdict.outcome;
  const words = verdict.outcome.replace('_', ' ');
  const hint = isCode(failure.code) && failure.code !== 'RITMO_STEP_FAILED' && failure.hint ? ` ${failure.hint}` : '';
  return `${words}: ${failure.message}${failure.message.endsWith('.') ? '' : '.'}${hint} (${failure.code})`;
}

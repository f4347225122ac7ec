import { RitmoError } from '@ritmo/agent-core/executor';

/** The error of a host that cannot do what the options demand. */
export function unavailable(message: string, hint: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', message, { hint, ...(cause === undefined ? {} : { cause }) });
}

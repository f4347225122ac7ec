import type { Code, JobState } from '@ritmo/protocol';

/** Exit codes of `ritmo-agent`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** A flag, an argument or a file is wrong. */
  usage: 2,
  /** Something that is needed is not there. */
  unavailable: 69,
  /** The build was lost, or the infrastructure failed it. */
  errored: 70,
  /** `start`: builds were cancelled by the deadline or the second signal. */
  interrupted: 75,
  timedOut: 124,
  cancelled: 130,
} as const;

const usage: ReadonlySet<Code> = new Set([
  'RITMO_USAGE',
  'RITMO_JOB_INVALID',
  'RITMO_INSECURE_URL',
  'RITMO_INVALID_REQUEST',
  'RITMO_NOT_FOUND',
  'RITMO_CONFLICT',
  'RITMO_SECRET_MISSING',
]);
const unavailable: ReadonlySet<Code> = new Set([
  'RITMO_SERVER_UNREACHABLE',
  'RITMO_UNAVAILABLE',
  'RITMO_UNAUTHORIZED',
  'RITMO_FORBIDDEN',
  'RITMO_EXECUTOR_UNAVAILABLE',
  'RITMO_EXECUTOR_UNSUPPORTED',
  'RITMO_PLUGIN_INVALID',
  'RITMO_STATE_LOCKED',
  'RITMO_STATE_UNREADABLE',
  'RITMO_GIT_MISSING',
  'RITMO_NAME_TAKEN',
  'RITMO_PROTOCOL_VERSION',
]);

/** How the program ends on an error of ours. */
export function exitCodeOfError(code: Code): number {
  if (usage.has(code)) return exitCodes.usage;
  return unavailable.has(code) ? exitCodes.unavailable : exitCodes.errored;
}

/** How `exec`, `submit --follow` and `logs --follow` end, as the job did. */
export function exitCodeOfJob(state: JobState): number {
  switch (state) {
    case 'succeeded':
      return exitCodes.ok;
    case 'failed':
      return exitCodes.failed;
    case 'timed_out':
      return exitCodes.timedOut;
    case 'cancelled':
      return exitCodes.cancelled;
    case 'errored':
    case 'lost':
    case 'queued':
    case 'offered':
    case 'running':
      return exitCodes.errored;
  }
}

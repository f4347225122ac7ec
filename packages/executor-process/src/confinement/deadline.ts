import { findProgram } from '@ritmo/host-linux';

/** Ends a command at a time, whatever becomes of the agent: both programs run outside, where no job reaches them. */
export interface DeadlineTools {
  /** Absolute paths. */
  readonly timeout: string;
  readonly setpriv: string;
}

/** Undefined where one is missing: coreutils and util-linux have them. */
export function findDeadlineTools(searchPath: string): DeadlineTools | undefined {
  const timeout = findProgram('timeout', searchPath);
  const setpriv = findProgram('setpriv', searchPath);
  return timeout === undefined || setpriv === undefined ? undefined : { timeout, setpriv };
}

/**
 * What comes before bubblewrap. The death of the agent is a deadline that has come: its signal kills the process group,
 * in which bubblewrap stays until it has bound its own life to this one.
 */
export function deadlineArgv({ timeout, setpriv }: DeadlineTools, leftMs: number): string[] {
  return [setpriv, '--pdeathsig', 'ALRM', '--', ...timeoutArgv(timeout, leftMs)];
}

/** Ends what comes after it, and its process group, whether the agent still runs or not. */
export function timeoutArgv(timeout: string, leftMs: number): string[] {
  return [timeout, '-s', 'KILL', String(Math.max(1, Math.ceil(leftMs / 1_000)))];
}

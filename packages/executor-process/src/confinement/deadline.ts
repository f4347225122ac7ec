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

/** What comes before bubblewrap. It dies with the agent, and bubblewrap with it. */
export function deadlineArgv({ timeout, setpriv }: DeadlineTools, leftMs: number): string[] {
  return [setpriv, '--pdeathsig', 'KILL', '--', ...timeoutArgv(timeout, leftMs)];
}

/** Ends what comes after it, and its process group, whether the agent still runs or not. */
export function timeoutArgv(timeout: string, leftMs: number): string[] {
  return [timeout, '-s', 'KILL', String(Math.max(1, Math.ceil(leftMs / 1_000)))];
}

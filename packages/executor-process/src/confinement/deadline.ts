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
  const seconds = String(Math.max(1, Math.ceil(leftMs / 1_000)));
  return [setpriv, '--pdeathsig', 'KILL', '--', timeout, '-s', 'KILL', seconds];
}

import { errnoOf } from '../errno.js';
import { isRunning, type ProcessInfo } from './table.js';

/** Sends a signal to this very process; false when it is gone, or is not ours to signal. */
export function signalProcess(target: Pick<ProcessInfo, 'pid' | 'startTime'>, signal: NodeJS.Signals): boolean {
  return isRunning(target) && signalPid(target.pid, signal);
}

/** Sends a signal to each of these very processes; whether it reached one. */
export function signalAll(targets: readonly ProcessInfo[], signal: NodeJS.Signals): boolean {
  return targets.map((target) => signalProcess(target, signal)).some(Boolean);
}

/** Sends a signal to a pid, or to a process group by its negative number; false when there is none. */
export function signalPid(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ESRCH' || code === 'EPERM') return false;
    throw error;
  }
}

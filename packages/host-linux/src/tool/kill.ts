import type { ChildProcess } from 'node:child_process';
import { signalPid } from '../process/signal.js';

/**
 * Ends a program that was started in bubblewrap at the head of a group of its own. All of the group: what is killed
 * while it still makes its namespaces leaves a half of itself that is not bound to the other's death yet.
 */
export function killConfined(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) signalPid(-child.pid, 'SIGKILL');
}

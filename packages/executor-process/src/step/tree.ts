import type { StopTarget } from '@ritmo/agent-core/executor';
import type { ProcessInfo } from '@ritmo/host-linux';

/** The processes of a command, seen from outside. What only serves to run it (bubblewrap, launcher) is not counted. */
export interface ProcessTree extends StopTarget<ProcessInfo> {
  /**
   * What serves to run the command is told first: it then stays until everything has ended, and once its program has
   * ended it must know that others are still to be waited for.
   */
  signal(running: readonly ProcessInfo[], signal: NodeJS.Signals): boolean;
  /** Ends everything at once, what serves to run the command too. */
  kill(): void;
  /**
   * Once the command has ended: resolves when nothing of it is left, with the number of processes that had to be
   * ended here. Rejects with RITMO_SANDBOX_BROKEN when something survives.
   */
  clear(): Promise<number>;
}

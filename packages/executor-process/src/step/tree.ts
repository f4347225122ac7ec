import type { ProcessInfo } from '@ritmo/host-linux';

/** The processes of a command, seen from outside. What only serves to run it (bubblewrap, launcher) is not counted. */
export interface ProcessTree {
  /** Those that run now. */
  list(): ProcessInfo[];
  /** Tells what serves to run the command that a stop is under way: it then stays until everything has ended. */
  hold(signal: NodeJS.Signals): void;
  /** Ends everything at once, what serves to run the command too. */
  kill(): void;
  /**
   * Once the command has ended: resolves when nothing of it is left, with the number of processes that had to be
   * ended here. Rejects with RITMO_SANDBOX_BROKEN when something survives.
   */
  clear(): Promise<number>;
}

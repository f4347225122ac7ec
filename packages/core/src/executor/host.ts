/** Structured log of the agent; fields first, then a sentence. pino fits. */
export interface Logger {
  child(fields: object): Logger;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Clock {
  /** Milliseconds since the epoch, by the wall. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What the agent lends to an executor. Nothing here reaches the API server. */
export interface ExecutorHost {
  /** Stable across restarts of one installation: the ownership mark on every resource made. */
  readonly ownerId: string;
  /** A folder of this executor's own, made by core with mode 0711, kept over restarts. */
  readonly stateDir: string;
  readonly log: Logger;
  readonly clock: Clock;
}

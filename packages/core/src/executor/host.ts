/** Structured log of the agent; fields first, then a sentence. pino fits. */
export interface Logger {
  /** A log whose lines all carry these fields. */
  child(fields: object): Logger;
  /** What helps to find a defect. */
  debug(fields: object, message: string): void;
  /** What an operator wants to know. */
  info(fields: object, message: string): void;
  /** What went wrong and mends itself. */
  warn(fields: object, message: string): void;
  /** What somebody has to look at. */
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
  /** Goes to the agent's log. */
  readonly log: Logger;
  /** The time that the agent goes by. */
  readonly clock: Clock;
}

import type { MemoryTransport } from '../reference/transport.js';

/** A transport that breaks one promise, and the cases that notice: the first is the one meant for it. */
export interface Mutant {
  /** What it does wrong, as a sentence without its subject. */
  readonly wrong: string;
  readonly Transport: typeof MemoryTransport;
  readonly caughtBy: readonly [string, ...string[]];
}

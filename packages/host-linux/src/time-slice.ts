import { setImmediate as nextTurn } from 'node:timers/promises';

/** Lets long synchronous work give way to the event loop: `if (slice.due()) await slice.next()`. */
export class TimeSlice {
  readonly #ms: number;
  #start = performance.now();

  constructor(ms = 4) {
    this.#ms = ms;
  }

  due(): boolean {
    return performance.now() - this.#start > this.#ms;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.#start = performance.now();
  }
}

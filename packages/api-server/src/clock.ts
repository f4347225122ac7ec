/** Where time comes from; tests hand in their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  wall(): number;
  /** Milliseconds since some moment; stands still while the machine sleeps. */
  monotonic(): number;
}

export const systemClock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() };

/** Measures elapsed time as the larger of both clocks, so that neither sleep nor a clock set back hides any. */
export class Stopwatch {
  readonly #clock: Clock;
  #wall: number;
  #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.wall();
    this.#monotonic = clock.monotonic();
  }

  elapsed(): number {
    return Math.max(this.#clock.wall() - this.#wall, this.#clock.monotonic() - this.#monotonic);
  }

  restart(): void {
    this.#wall = this.#clock.wall();
    this.#monotonic = this.#clock.monotonic();
  }
}

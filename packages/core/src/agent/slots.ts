/**
 * The places for builds: numbers from 0, each held by one build at a time, so that executors can give each its own uid.
 * `budget` bounds how many builds are taken in all.
 */
export class Slots {
  #max: number;
  #budget: number;
  readonly #held = new Set<number>();
  readonly #waiting = new Set<() => void>();

  constructor(max: number, budget = Number.POSITIVE_INFINITY) {
    this.#max = max;
    this.#budget = budget;
  }

  get free(): number {
    return Math.max(0, Math.min(this.#max - this.#held.size, this.#budget));
  }

  get max(): number {
    return this.#max;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Takes the lowest free place; undefined where there is none. */
  take(): number | undefined {
    if (this.free === 0) return undefined;
    let slot = 0;
    while (this.#held.has(slot)) slot += 1;
    this.#held.add(slot);
    this.#budget -= 1;
    return slot;
  }

  /** Takes the place of a build that an agent before this one has begun; false where it is taken. */
  hold(slot: number): boolean {
    if (this.#held.has(slot)) return false;
    this.#held.add(slot);
    return true;
  }

  /** Gives a place back; `unused` where its build never ran, so that it does not count. */
  give(slot: number, unused = false): void {
    if (!this.#held.delete(slot)) return;
    if (unused) this.#budget += 1;
    this.#wake();
  }

  /** Builds that run go on when it becomes smaller. */
  resize(max: number): void {
    this.#max = max;
    this.#wake();
  }

  /** Resolves once a place is free; rejects with the signal's reason. */
  whenFree(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.free > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const wake = () => {
        if (this.free === 0) return;
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.#waiting.delete(wake);
        reject(signal.reason as Error);
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

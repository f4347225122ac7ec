/** So many are woken at once; what else the server has to do comes in between. */
const sliceSize = 64;
/** Waiting readers for each millisecond by which they are woken later, so that a crowd cannot fill the server's time. */
const crowdPerMs = 20;

/** Readers that wait for a change. A few are woken at once, a crowd together and a slice at a time. */
export class Wakeups {
  #waiting = new Set<() => void>();
  #scheduled = false;
  #changes = 0;

  /** Rises with each change. */
  get changes(): number {
    return this.#changes;
  }

  /** Resolves once there were more changes than `seen`, or when `signal` is aborted. */
  after(seen: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#changes > seen) return resolve();
      const waiting = this.#waiting;
      const done = (): void => {
        waiting.delete(done);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  wake(): void {
    this.#changes++;
    if (this.#scheduled) return;
    if (this.#waiting.size <= sliceSize) return this.#slice(this.#take());
    this.#scheduled = true;
    setTimeout(() => {
      this.#scheduled = false;
      this.#slice(this.#take());
    }, this.#waiting.size / crowdPerMs);
  }

  #take(): Set<() => void> {
    const woken = this.#waiting;
    this.#waiting = new Set();
    return woken;
  }

  #slice(woken: Set<() => void>): void {
    let left = sliceSize;
    for (const done of woken) {
      if (left-- === 0) {
        setImmediate(() => this.#slice(woken));
        return;
      }
      done();
    }
  }
}

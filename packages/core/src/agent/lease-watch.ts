import type { Clock } from '../executor/host.js';
import type { Held } from './held.js';

/** A requeue build is stopped this long before its lease may run out, in milliseconds. */
const marginMs = 10_000;
const graceMs = 5_000;
const tickMs = 1_000;
/** A tick that comes this much later than due means that this process or machine was frozen. */
const frozenMs = 5_000;

interface Mark {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Watches how old the last renewal of each lease is. Elapsed time is the larger of the monotonic and the wall
 * clock, since a suspended machine stops the former. A `requeue` build without renewal is gone before another
 * worker may start it; a `fail` build runs on and finishes late.
 */
export class LeaseWatch implements Disposable {
  readonly #clock: Clock;
  readonly #woke: () => void;
  readonly #renewed = new Map<Held, Mark>();
  #lastTick: Mark;
  /** Runs while there is a lease to watch. */
  #timer: NodeJS.Timeout | undefined;

  /** `woke` is called after a freeze, so that leases are renewed before anything else. */
  constructor(clock: Clock, woke: () => void) {
    this.#clock = clock;
    this.#woke = woke;
    this.#lastTick = this.#now();
  }

  /** The lease counts from when it was asked for, not from when the answer came. */
  renewed(build: Held, at: Mark): void {
    this.#renewed.set(build, at);
    if (this.#timer) return;
    this.#lastTick = this.#now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  mark(): Mark {
    return this.#now();
  }

  forget(build: Held): void {
    this.#renewed.delete(build);
    if (this.#renewed.size === 0) this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const late = this.#elapsed(this.#lastTick) - tickMs;
    this.#lastTick = this.#now();
    if (late > frozenMs) this.#woke();
    for (const [build, mark] of this.#renewed) {
      if (build.job.onLost !== 'requeue') continue;
      const { ttlMs } = build.lease;
      const elapsed = this.#elapsed(mark);
      // After a freeze the renewal under way decides, as long as the lease may still be ours.
      const limit = late > frozenMs ? ttlMs : ttlMs - Math.min(marginMs, ttlMs / 3);
      if (elapsed >= limit)
        build.cancel({ reason: 'lease-lost', graceMs: elapsed >= ttlMs ? 0 : Math.min(graceMs, ttlMs / 6) });
    }
  }

  #now(): Mark {
    return { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }

  #elapsed(since: Mark): number {
    return Math.max(this.#clock.now() - since.wall, this.#clock.monotonic() - since.monotonic);
  }
}

import type { CancelCause, CancelReason } from '../executor/request.js';

/** Reasons after which nothing more of the build may run or be said: not even its cleanup steps. */
const abandoning: ReadonlySet<CancelReason> = new Set(['lease-lost']);

/**
 * Stops a build, once: the first reason wins. `signal` stops its ordinary work; `abandoned` stops all of it, and
 * is what cleanup steps listen to.
 */
export class Cancellation {
  readonly #ordinary = new AbortController();
  readonly #all = new AbortController();

  get signal(): AbortSignal {
    return this.#ordinary.signal;
  }

  get abandoned(): AbortSignal {
    return this.#all.signal;
  }

  get cause(): CancelCause | undefined {
    return this.#ordinary.signal.aborted ? (this.#ordinary.signal.reason as CancelCause) : undefined;
  }

  /** Whether this call was the first. */
  cancel(cause: CancelCause): boolean {
    if (abandoning.has(cause.reason)) return this.abandon(cause);
    if (this.#ordinary.signal.aborted) return false;
    this.#ordinary.abort(cause);
    return true;
  }

  /** Ends cleanup steps too. Whether it was the first reason of all. */
  abandon(cause: CancelCause): boolean {
    const first = !this.#ordinary.signal.aborted;
    if (first) this.#ordinary.abort(cause);
    if (!this.#all.signal.aborted) this.#all.abort(cause);
    return first;
  }
}

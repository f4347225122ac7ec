import type { CancelCause } from '../executor/request.js';

/** Longest delay that a timer of Node takes. */
const maxTimerMs = 2 ** 31 - 1;

/** Calls back once after `ms` of monotonic time, however long that is. Dispose to forget it. */
export function after(ms: number, callback: () => void): Disposable {
  const end = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = end - performance.now();
    timer = setTimeout(
      () => (end - performance.now() > 0.5 ? arm() : callback()),
      Math.min(Math.max(left, 0), maxTimerMs),
    );
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** A signal that is aborted by any of `signals`, or with `cause` after `ms`. Dispose to stop the timer. */
export function withDeadline(
  signals: readonly AbortSignal[],
  ms: number | undefined,
  cause: CancelCause,
): Disposable & { readonly signal: AbortSignal } {
  const own = new AbortController();
  const timer = ms === undefined ? undefined : after(ms, () => own.abort(cause));
  return {
    signal: AbortSignal.any([...signals, own.signal]),
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}

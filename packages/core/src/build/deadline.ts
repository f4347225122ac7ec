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

/** A signal that follows others; dispose it to leave neither timer nor listener behind. */
export type LinkedSignal = Disposable & { readonly signal: AbortSignal };

/**
 * A signal that is aborted by any of `signals`, or with `cause` after `ms`. `AbortSignal.any` would keep an entry at
 * each of them for as long as they live, and the agent's own live for months.
 */
export function withDeadline(
  signals: readonly AbortSignal[],
  ms: number | undefined,
  cause: CancelCause | Error,
): LinkedSignal {
  const own = new AbortController();
  const timer = ms === undefined ? undefined : after(ms, () => own.abort(cause));
  const unlink = signals.map((signal) => {
    const follow = () => own.abort(signal.reason);
    if (signal.aborted) follow();
    signal.addEventListener('abort', follow, { once: true });
    return () => signal.removeEventListener('abort', follow);
  });
  return {
    signal: own.signal,
    [Symbol.dispose]() {
      timer?.[Symbol.dispose]();
      for (const undo of unlink) undo();
    },
  };
}

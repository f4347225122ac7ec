/** Runs `work` with a signal that follows `signal` and is aborted after `ms`; leaves neither timer nor listener. */
export async function withDeadline<T>(
  signal: AbortSignal,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  const timer = setTimeout(() => controller.abort(new DeadlinePassed(ms)), ms);
  signal.addEventListener('abort', follow, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', follow);
  }
}

class DeadlinePassed extends Error {
  constructor(ms: number) {
    super(`no whole answer within ${Math.round(ms / 1000)} s`);
  }
}

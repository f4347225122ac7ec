/** Runs `work` with a signal that follows each of `signals`; leaves no listener at them. */
export async function following<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const unfollow = signals.map((signal) => {
    const follow = () => controller.abort(signal.reason);
    signal.addEventListener('abort', follow, { once: true });
    return () => signal.removeEventListener('abort', follow);
  });
  try {
    for (const signal of signals) signal.throwIfAborted();
    return await work(controller.signal);
  } finally {
    for (const undo of unfollow) undo();
  }
}

/** Runs `work` with a signal that follows `signal` and is aborted after `ms`; leaves neither timer nor listener. */
export async function withDeadline<T>(
  signal: AbortSignal,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DeadlinePassed(ms)), ms);
  try {
    return await following([signal, late.signal], work);
  } finally {
    clearTimeout(timer);
  }
}

class DeadlinePassed extends Error {
  constructor(ms: number) {
    super(`no whole answer within ${Math.round(ms / 1000)} s`);
  }
}

import { setMaxListeners } from 'node:events';

/**
 * Runs `work` on items as they come, at most `limit` at once, and yields each result as it is there. The first
 * failure ends all: the others are aborted and waited for, and the source is told to stop.
 */
export async function* mapUnordered<Item, Result>(
  items: AsyncIterable<Item>,
  limit: number,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal,
): AsyncGenerator<Result> {
  const controller = new AbortController();
  // Every lane listens, and what it calls does too.
  setMaxListeners(0, controller.signal);
  const follow = () => controller.abort(signal.reason);
  signal.addEventListener('abort', follow, { once: true });
  if (signal.aborted) follow();
  const source = items[Symbol.asyncIterator]();
  const results: Result[] = [];
  let wake: () => void = () => undefined;
  const lanes = new Set<Promise<void>>();

  const lane = async () => {
    try {
      while (!controller.signal.aborted) {
        const next = await source.next();
        if (next.done === true) break;
        results.push(await work(next.value, controller.signal));
        wake();
      }
    } catch (error) {
      controller.abort(error);
    }
  };
  for (let n = 0; n < limit; n++) {
    const running: Promise<void> = lane().finally(() => {
      lanes.delete(running);
      wake();
    });
    lanes.add(running);
  }
  try {
    while (lanes.size > 0 || results.length > 0) {
      const result = results.shift();
      if (result !== undefined) yield result;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    controller.signal.throwIfAborted();
  } finally {
    controller.abort(new Error('nobody waits for the results any more'));
    await Promise.all(lanes);
    await source.return?.();
    signal.removeEventListener('abort', follow);
  }
}

/** A body that is pulled: nothing is read before the reader has taken what came before. */
export function streamOf(
  source: AsyncGenerator<Uint8Array, void, void>,
  controller: AbortController,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        const { done, value } = await source.next();
        if (done) sink.close();
        else sink.enqueue(value);
      },
      async cancel() {
        controller.abort();
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** An abort controller that also follows `parent`; `release` ends the tie, and so does its own abort. */
export function childOf(parent: AbortSignal): { readonly controller: AbortController; release(): void } {
  const controller = new AbortController();
  const onAbort = () => controller.abort();
  const release = () => parent.removeEventListener('abort', onAbort);
  if (parent.aborted) controller.abort();
  parent.addEventListener('abort', onAbort, { once: true });
  controller.signal.addEventListener('abort', release, { once: true });
  return { controller, release };
}

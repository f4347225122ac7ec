import type { ServerLog } from '../options.js';

/** Where a streamed answer goes, and whom it tells when it fails midway. */
export interface StreamTarget {
  readonly outgoing: { destroy(): unknown };
  readonly log: ServerLog;
  /** Aborted when the reader goes. */
  readonly controller: AbortController;
}

/**
 * A body that is pulled: nothing is read before the reader has taken what came before. Where the source fails the
 * connection is cut, so that nobody takes a part for the whole.
 */
export function streamOf(
  source: AsyncGenerator<Uint8Array, void, void>,
  target: StreamTarget,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        try {
          const { done, value } = await source.next();
          if (done) sink.close();
          else sink.enqueue(value);
        } catch (error) {
          target.log.warn('an answer was cut off', { error: error instanceof Error ? error.message : String(error) });
          target.outgoing.destroy();
        }
      },
      async cancel() {
        target.controller.abort();
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** An abort controller that also follows `parent`; `release` ends the tie, and so does its own abort. */
export function childOf(parent: AbortSignal): { readonly controller: AbortController; readonly release: () => void } {
  const controller = new AbortController();
  const onAbort = () => controller.abort();
  const release = () => parent.removeEventListener('abort', onAbort);
  if (parent.aborted) controller.abort();
  parent.addEventListener('abort', onAbort, { once: true });
  controller.signal.addEventListener('abort', release, { once: true });
  return { controller, release };
}

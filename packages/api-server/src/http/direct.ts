import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { ServerLog } from '../options.js';

export interface DirectAnswer {
  readonly outgoing: ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: ServerLog;
  /** Aborted when the reader goes: it wakes a source that waits. */
  readonly controller: AbortController;
}

/**
 * An answer that goes straight to Node's response, for what thousands read at once: a web stream for each costs tens
 * of kilobytes. Nothing is read before the reader has taken what came before. Where the source fails the connection is
 * cut, so that nobody takes a part for the whole.
 */
export function answerDirectly(source: AsyncGenerator<Uint8Array, void, void>, answer: DirectAnswer): Response {
  const { outgoing, headers } = answer;
  outgoing.writeHead(200, { ...headers, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
  // A reader of a log that is still empty learns that it was heard.
  outgoing.flushHeaders();
  void pump(source, answer);
  return RESPONSE_ALREADY_SENT;
}

/** Never rejects. */
async function pump(
  source: AsyncGenerator<Uint8Array, void, void>,
  { outgoing, log, controller }: DirectAnswer,
): Promise<void> {
  let wake = (): void => undefined;
  outgoing.once('close', () => {
    controller.abort();
    wake();
  });
  outgoing.on('drain', () => wake());
  try {
    for await (const bytes of source) {
      if (outgoing.destroyed) return;
      if (outgoing.write(bytes)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (outgoing.destroyed) resolve();
      });
    }
    outgoing.end();
  } catch (error) {
    log.warn('an answer was cut off', { error: error instanceof Error ? error.message : String(error) });
    outgoing.destroy();
  }
}

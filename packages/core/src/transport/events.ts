import { type WorkerEvent, workerEvent } from '@ritmo/protocol';
import { createParser } from 'eventsource-parser';
import { RitmoError } from '../errors.js';

/** Longest event, in characters. */
const maxEventChars = 65_536;

/**
 * Reads server-sent events. Comments and types that it does not know are passed over; ends with the stream, and
 * rejects when the stream breaks or what comes is not a stream of events.
 */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<WorkerEvent> {
  const waiting: WorkerEvent[] = [];
  let broken: RitmoError | undefined;
  const parser = createParser({
    maxBufferSize: maxEventChars,
    onEvent: ({ data }) => {
      const event = workerEvent.safeParse(toJson(data));
      if (event.success) waiting.push(event.data);
    },
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded')
        broken = new RitmoError('RITMO_SERVER_UNREACHABLE', 'An event of the API server is too long.');
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* waiting.splice(0);
    if (broken !== undefined) throw broken;
  }
}

function toJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

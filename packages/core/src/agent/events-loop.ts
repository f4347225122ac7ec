import type { WorkerEvent } from '@ritmo/protocol';
import type { Clock, Logger } from '../executor/host.js';
import type { Transport } from '../transport/transport.js';
import { isFinal } from './final-errors.js';

/** Before a stream is opened again, at random up to this; a transport whose streams keep breaking waits longer by itself. */
const pauseMs = 250;

export interface EventsLoop {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handle: (event: WorkerEvent) => void;
}

/** Listens to the server's events, and opens the stream again when it breaks. Rejects with an error that ends the agent. */
export async function eventsLoop(loop: EventsLoop, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of loop.transport.events(signal)) {
        loop.handle(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isFinal(error)) throw error;
      loop.log.debug({ err: error }, 'the event stream broke; heartbeats carry cancels until it is back');
    }
    await loop.clock.sleep(Math.random() * pauseMs, signal).catch(() => {});
  }
}

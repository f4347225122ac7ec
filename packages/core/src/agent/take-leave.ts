import type { Logger } from '../executor/host.js';
import type { Transport } from '../transport/transport.js';

/** How long the server has for each of the last calls of a worker, in milliseconds: one that is away must not hold up its end. */
export const lastCallMs = 1_000;

/** Deregisters; a server that does not hear it misses the worker by itself. Never rejects. */
export async function takeLeave(transport: Transport, log: Logger): Promise<void> {
  try {
    await transport.deregister(AbortSignal.timeout(lastCallMs));
  } catch (error) {
    log.warn({ err: error }, 'the server could not be told that this worker leaves');
  }
}

import type { Logger } from '../executor/host.js';
import type { Lease, Transport } from '../transport/transport.js';

/** Tells the server that the job runs here. False where it must not, or `signal` was aborted; never rejects. */
export async function accept(transport: Transport, lease: Lease, log: Logger, signal: AbortSignal): Promise<boolean> {
  try {
    await transport.accept(lease, signal);
    return true;
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, 'the job was not accepted');
    return false;
  }
}

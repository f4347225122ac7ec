import type { RitmoError } from '../errors.js';
import type { Lease } from '../transport/transport.js';
import type { BuildContext } from './context.js';
import { forget } from './report.js';

/** How long the server is asked to wait before it offers the job here again, in milliseconds. */
const retryAfterMs = 30_000;
/** The same where the executor does not work: until it does, the worker claims nothing. */
const mendedAfterMs = 5_000;

/** Nothing of its steps has begun: the offer goes back, and the attempt does not count. Never rejects. */
export async function handBack(lease: Lease, error: RitmoError, context: BuildContext): Promise<void> {
  const { transport, state, emit, reporting, log } = context;
  log.warn({ err: error }, 'the job is handed back');
  try {
    await transport.release(
      lease,
      { code: error.code, message: error.message, retryAfterMs: waitOf(error) },
      reporting,
    );
  } catch (cause) {
    log.warn({ err: cause }, 'the offer could not be handed back; it runs out by itself');
  }
  // Nothing of it is left to report, whatever the server said.
  await forget(state, lease).catch((cause: unknown) =>
    log.error({ err: cause }, 'the journal could not be cleared of an offer that went back'),
  );
  emit('job:released', { jobId: lease.jobId, epoch: lease.epoch, code: error.code });
}

function waitOf({ code }: RitmoError): number {
  return code === 'RITMO_EXECUTOR_UNAVAILABLE' ? mendedAfterMs : retryAfterMs;
}

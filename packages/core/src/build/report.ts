import type { JobResult, Seal } from '@ritmo/protocol';
import { codes, RitmoError } from '../errors.js';
import type { Clock } from '../executor/host.js';
import type { StateDir } from '../journal/state-dir.js';
import { type LogSender, Spool } from '../log/index.js';
import type { Lease, Transport } from '../transport/transport.js';
import { withDeadline } from './deadline.js';

/** How long the server is told of an ended build, in milliseconds; after that it counts it as lost for good. */
export const reportMs = 24 * 60 * 60_000;

export interface Report {
  readonly transport: Transport;
  readonly state: StateDir;
  readonly clock: Clock;
  readonly lease: Lease;
  readonly sender: LogSender;
  readonly seal: Seal;
  readonly result: JobResult;
}

/** Sends the rest of the log, seals it, finishes the job, and only then forgets it. Rejects as the server answers, or with the reason of a signal. */
export async function report(
  { transport, state, lease, sender, seal, result }: Report,
  signals: readonly AbortSignal[],
): Promise<void> {
  const late = new RitmoError('RITMO_SERVER_UNREACHABLE', 'The server could not be told for 24 hours.');
  using bounded = withDeadline(signals, reportMs, late);
  await sender.finish(seal, bounded.signal);
  try {
    await transport.finish(lease, result, bounded.signal);
  } catch (error) {
    const known = RitmoError.from(error);
    if (known.code !== 'RITMO_INVALID_REQUEST') throw error;
    await transport.finish(lease, refused(result, known), bounded.signal);
  }
  await forget(state, lease);
}

/** What is told instead of a result that the server cannot read: the job must not be left without an end. */
function refused({ durationMs, log }: JobResult, error: RitmoError): JobResult {
  const message = `The server refused the result of the build: ${error.message}`;
  return {
    outcome: 'errored',
    failure: { code: 'RITMO_INTERNAL', message, retryable: false, hint: codes.RITMO_INTERNAL.hint },
    steps: [],
    durationMs,
    artifacts: 0,
    ...(log && { log }),
  };
}

/** Removes journal entry and spool of a lease that needs them no more. */
export async function forget(
  state: StateDir,
  lease: { readonly jobId: string; readonly epoch: number },
): Promise<void> {
  await state.journal.clear(lease);
  state.masks.forget(lease);
  await Spool.remove(state.spoolPath(lease.jobId, lease.epoch));
}

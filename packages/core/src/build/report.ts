import type { JobResult, Seal } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
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
  await transport.finish(lease, result, bounded.signal);
  await forget(state, lease);
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

import type { JobResult, Seal } from '@ritmo/protocol';
import { rm } from 'node:fs/promises';
import type { Clock } from '../executor/host.js';
import type { StateDir } from '../journal/state-dir.js';
import type { LogSender } from '../log/index.js';
import type { Lease, Transport } from '../transport/transport.js';

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

/** Sends the rest of the log, seals it, finishes the job, and only then forgets it. Rejects as the server answers, or with the signal's reason. */
export async function report(
  { transport, state, lease, sender, seal, result }: Report,
  signal: AbortSignal,
): Promise<void> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(reportMs)]);
  await sender.finish(seal, bounded);
  await transport.finish(lease, result, bounded);
  await forget(state, lease);
}

/** Removes journal entry and spool of a lease that needs them no more. */
export async function forget(
  state: StateDir,
  lease: { readonly jobId: string; readonly epoch: number },
): Promise<void> {
  await state.journal.clear(lease);
  const spool = state.spoolPath(lease.jobId, lease.epoch);
  await rm(spool, { force: true });
  await rm(`${spool}.tail`, { force: true });
}

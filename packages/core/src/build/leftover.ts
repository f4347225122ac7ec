import type { JobResult } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { JournalEntry } from '../journal/journal.js';
import { LogRecorder, LogSender, MaskSet } from '../log/index.js';
import type { Lease } from '../transport/transport.js';
import type { BuildContext } from './context.js';
import { errored } from './outcome.js';
import { forget, report } from './report.js';

/** As `finishLeftover`; never rejects. */
export async function finishCrashed(entry: JournalEntry, lease: Lease, context: BuildContext): Promise<void> {
  const { state, emit, reporting } = context;
  const log = context.log.child({ job: entry.jobId, epoch: entry.epoch });
  try {
    await finishLeftover(entry, lease, context);
    emit('job:reported', { jobId: entry.jobId, epoch: entry.epoch });
    log.info({ outcome: entry.result?.outcome ?? 'errored' }, 'a build of the agent before was reported');
  } catch (error) {
    if (reporting.aborted) return;
    const known = RitmoError.from(error);
    log.error({ err: known }, 'a build of the agent before could not be reported');
    emit('agent:error', { error: known, where: `report of job ${entry.jobId}` });
    if (!known.retryable) await forget(state, entry).catch(() => {});
  }
}

/** Sends the rest of the log of a build whose agent died, and tells how it ended: by its own result where it had one. */
async function finishLeftover(entry: JournalEntry, lease: Lease, context: BuildContext): Promise<void> {
  const { state, clock, transport, reporting } = context;
  const crashed = errored(new RitmoError('RITMO_AGENT_CRASHED', 'The agent died while it ran the job.'));
  await using recorder = await LogRecorder.reopen({
    path: state.spoolPath(lease.jobId, lease.epoch),
    clock,
    masks: new MaskSet(),
    added: state.masks.of(lease),
  });
  if (!entry.seal) recorder.note('error', 'The agent died here; what the build printed after this is missing.');
  const { length, sha256, truncatedBytes } = await recorder.close();
  const seal = { length, sha256, truncatedBytes };
  const sender = new LogSender({ source: recorder.spool, transport, lease, signal: reporting, resume: true });
  const result: JobResult = entry.result ?? {
    ...crashed,
    steps: [],
    durationMs: Math.max(0, clock.now() - Date.parse(entry.claimedAt)),
    artifacts: 0,
    log: { length: seal.length, sha256: seal.sha256 },
  };
  await state.journal
    .write({ ...entry, result, seal })
    .catch((error: unknown) =>
      context.log.warn({ err: error, job: entry.jobId }, 'the result cannot be kept for another restart of this agent'),
    );
  await endUploads(entry, lease, context);
  await report({ transport, state, clock, lease, sender, seal, result }, [reporting]);
}

/** What the agent before was storing when it died is ended where it was begun; its files are gone. */
export async function endUploads(entry: JournalEntry, lease: Lease, { artifacts, log }: BuildContext): Promise<void> {
  const { uploads = {} } = entry;
  if (!artifacts || Object.keys(uploads).length === 0) return;
  try {
    const kept = { get: async (key: string) => uploads[key], set: async () => undefined };
    await (await artifacts.open(lease, kept)).abort();
  } catch (error) {
    log.warn({ err: error, job: entry.jobId }, 'what a build of the agent before had half stored could not be removed');
  }
}

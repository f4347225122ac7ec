import type { Adoption, JobResult, Registration } from '@ritmo/protocol';
import { disposeWatched } from '../build/dispose.js';
import { report, forget } from '../build/report.js';
import type { BuildContext } from '../build/context.js';
import { errored } from '../build/outcome.js';
import { RitmoError } from '../errors.js';
import type { SandboxId } from '../executor/request.js';
import type { EndedSandbox } from '../executor/sandbox.js';
import type { JournalEntry } from '../journal/journal.js';
import { LogRecorder, LogSender, MaskSet } from '../log/index.js';
import type { Lease } from '../transport/transport.js';
import type { Builds } from './builds.js';
import { LeftoverUpload } from './leftover-upload.js';

export interface Leftovers {
  readonly entries: readonly JournalEntry[];
  readonly reopened: ReadonlyMap<SandboxId, EndedSandbox>;
  readonly builds: Builds;
}

/**
 * Takes up what the agent before this one left: for every lease of the journal what was being stored is stored, the
 * rest of its log is sent and its job finished, with its own result where it had one. Leases of which nothing is known
 * are dropped. What is under way then is kept by `builds`.
 */
export async function adoptLeftovers(
  { entries, reopened, builds }: Leftovers,
  registration: Registration,
  context: BuildContext,
): Promise<void> {
  const known = new Set(entries.map(({ jobId, epoch }) => `${jobId}.${epoch}`));
  const unknown = registration.leases.filter(({ jobId, epoch }) => !known.has(`${jobId}.${epoch}`));
  if (entries.length + unknown.length === 0) return;
  const adoptions = await context.transport.adopt(
    [
      ...entries.map(({ jobId, epoch }) => ({ jobId, epoch, intent: 'finish' as const })),
      ...unknown.map(({ jobId, epoch }) => ({ jobId, epoch, intent: 'drop' as const })),
    ],
    context.reporting,
  );
  for (const entry of entries) {
    const adoption = adoptions.find(({ jobId, epoch }) => jobId === entry.jobId && epoch === entry.epoch);
    const sandbox = entry.sandbox && reopened.get(entry.sandbox.sandboxId);
    const lease = {
      jobId: entry.jobId,
      epoch: entry.epoch,
      token: adoption?.jobToken ?? '',
      ttlMs: registration.leaseTtlMs,
    };
    if (adoption?.jobToken !== undefined && entry.storing && sandbox && LeftoverUpload.canGoOn(entry, context.state)) {
      const upload = new LeftoverUpload({ ...entry, storing: entry.storing }, lease, sandbox, context);
      const ended = upload.run();
      builds.hold(upload, ended);
      builds.track(ended);
    } else builds.track(settle(entry, adoption, lease, sandbox, context));
  }
}

async function settle(
  entry: JournalEntry,
  adoption: Adoption | undefined,
  lease: Lease,
  sandbox: EndedSandbox | undefined,
  context: BuildContext,
): Promise<void> {
  const { state, emit, reporting } = context;
  const log = context.log.child({ job: entry.jobId, epoch: entry.epoch });
  try {
    if (sandbox) await disposeWatched(sandbox, (error) => log.error({ err: error }, error.message));
    if (adoption?.jobToken === undefined) {
      log.info({ code: adoption?.code }, 'the server wants nothing more of a build of the agent before');
      await endUploads(entry, lease, context);
      await forget(state, entry);
      return;
    }
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
async function endUploads(entry: JournalEntry, lease: Lease, { artifacts, log }: BuildContext): Promise<void> {
  const { uploads = {} } = entry;
  if (!artifacts || Object.keys(uploads).length === 0) return;
  try {
    const kept = { get: async (key: string) => uploads[key], set: async () => undefined };
    await (await artifacts.open(lease, kept)).abort();
  } catch (error) {
    log.warn({ err: error, job: entry.jobId }, 'what a build of the agent before had half stored could not be removed');
  }
}

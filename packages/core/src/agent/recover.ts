import type { Adoption, Registration } from '@ritmo/protocol';
import { Build } from '../build/build.js';
import type { BuildContext } from '../build/context.js';
import { disposeWatched } from '../build/dispose.js';
import { endUploads, finishCrashed } from '../build/leftover.js';
import type { RecoveredSandbox } from '../build/progress.js';
import { forget } from '../build/report.js';
import { RitmoError } from '../errors.js';
import type { EndedSandbox } from '../executor/sandbox.js';
import type { JournalEntry } from '../journal/journal.js';
import type { Lease } from '../transport/transport.js';
import type { Builds } from './builds.js';
import { LeftoverUpload } from './leftover-upload.js';

/** What the agent before this one left of a build. */
export interface Leftover {
  readonly entry: JournalEntry;
  /** Its sandbox, where it was taken up and can go on. */
  readonly recovered?: RecoveredSandbox;
  /** Its files alone, where they were being stored. */
  readonly reopened?: EndedSandbox;
}

/**
 * Takes up what the agent before this one left. A build whose sandbox was recovered goes on. Of every other, what was
 * being stored is stored, the rest of the log is sent and the job finished, with its own result where it had one. Leases
 * of which nothing is known are dropped. What is under way then is kept by `builds`.
 */
export async function adoptLeftovers(
  leftovers: readonly Leftover[],
  builds: Builds,
  registration: Registration,
  context: BuildContext,
): Promise<void> {
  const known = new Set(leftovers.map(({ entry }) => keyOf(entry)));
  const unknown = registration.leases.filter((lease) => !known.has(keyOf(lease)));
  if (leftovers.length + unknown.length === 0) return;
  const wishes = leftovers.map(({ entry: { jobId, epoch }, recovered }) => {
    const intent = recovered ? ('run' as const) : ('finish' as const);
    return { jobId, epoch, intent };
  });
  const drops = unknown.map(({ jobId, epoch }) => ({ jobId, epoch, intent: 'drop' as const }));
  const answers = await context.transport.adopt([...wishes, ...drops], context.reporting);
  for (const leftover of leftovers) {
    const answer = answers.find((each) => keyOf(each) === keyOf(leftover.entry));
    takeUp(leftover, answer, builds, registration.leaseTtlMs, context);
  }
}

const keyOf = ({ jobId, epoch }: { readonly jobId: string; readonly epoch: number }) => `${jobId}.${epoch}`;

function takeUp(
  leftover: Leftover,
  answer: Adoption | undefined,
  builds: Builds,
  ttlMs: number,
  context: BuildContext,
): void {
  const { entry, recovered, reopened } = leftover;
  const { jobId, epoch, progress, storing } = entry;
  const lease = { jobId, epoch, token: answer?.jobToken ?? '', ttlMs };
  if (recovered && answer?.offer && progress) {
    builds.adopt(new Build(answer.offer, progress.slot, context, { entry, recovered }), progress.slot);
  } else if (answer?.jobToken !== undefined && storing && reopened && LeftoverUpload.canGoOn(entry, context.state)) {
    const upload = new LeftoverUpload({ ...entry, storing }, lease, reopened, context);
    const ended = upload.run();
    builds.hold(upload, ended);
    builds.track(ended);
  } else builds.track(settle(leftover, answer, lease, context));
}

async function settle(
  { entry, recovered, reopened }: Leftover,
  adoption: Adoption | undefined,
  lease: Lease,
  context: BuildContext,
): Promise<void> {
  const log = context.log.child({ job: entry.jobId, epoch: entry.epoch });
  const sandbox = recovered?.sandbox ?? reopened;
  if (sandbox) await disposeWatched(sandbox, (error) => log.error({ err: error }, error.message));
  let token = adoption?.jobToken;
  if (recovered) {
    log.warn({ code: adoption?.code }, 'a build of the agent before may not go on; its sandbox was removed');
    token = await lateToken(entry, context);
  }
  if (token !== undefined) {
    await finishCrashed(entry, { ...lease, token }, context);
    return;
  }
  try {
    log.info({ code: adoption?.code }, 'the server wants nothing more of a build of the agent before');
    await endUploads(entry, lease, context);
    await forget(context.state, entry);
  } catch (error) {
    if (context.reporting.aborted) return;
    log.error({ err: RitmoError.from(error) }, 'a build of the agent before could not be forgotten');
  }
}

/** A lease that was lost may still be finished, for as long as nobody else has the job. */
async function lateToken({ jobId, epoch }: JournalEntry, context: BuildContext): Promise<string | undefined> {
  try {
    const [answer] = await context.transport.adopt([{ jobId, epoch, intent: 'finish' }], context.reporting);
    return answer?.jobToken;
  } catch {
    // Then its lease runs out by itself.
    return undefined;
  }
}

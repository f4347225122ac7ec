import { RitmoError } from '../errors.js';
import type { Logger } from '../executor/host.js';
import type { ResourceUsage, Sandbox } from '../executor/sandbox.js';
import type { JournalEntry } from '../journal/journal.js';
import type { LogRecorder, LogSender } from '../log/index.js';
import { rejection } from '../rejection.js';
import type { Lease } from '../transport/transport.js';
import type { BuildContext } from './context.js';
import { closingLine } from './outcome.js';
import { forget, report } from './report.js';
import { jobResult, type ResultParts } from './result.js';

/** What is told of a build that has ended, and to whom. */
export interface Telling {
  readonly context: BuildContext;
  readonly lease: Lease;
  readonly recorder: LogRecorder;
  /** Undefined where the job was never accepted. */
  readonly sender: LogSender | undefined;
  readonly fenced: AbortSignal;
  readonly log: Logger;
  readonly journal: (change: Partial<JournalEntry>) => Promise<void>;
  readonly parts: Omit<ResultParts, 'seal'>;
}

/** How long a sandbox may take to say what it used, in milliseconds. */
const usageMs = 5_000;

/** What a sandbox says that it used; undefined where it cannot say, or not in time. */
export async function usageOf(sandbox: Pick<Sandbox, 'usage'>): Promise<ResourceUsage | undefined> {
  const signal = AbortSignal.timeout(usageMs);
  try {
    return await Promise.race([sandbox.usage(signal), rejection(signal)]);
  } catch {
    return undefined;
  }
}

/** Closes the log, keeps the result in the journal, and tells the server. Never rejects. */
export async function tell(telling: Telling): Promise<void> {
  const { context, lease, recorder, sender, fenced, parts } = telling;
  const { state, transport, reporting, emit, clock } = context;
  const { verdict, durationMs } = parts;
  try {
    recorder.note(verdict.outcome === 'succeeded' ? 'info' : 'error', closingLine(verdict, durationMs));
    const { failure, ...seal } = await recorder.close();
    if (failure) emit('agent:error', { error: failure, where: `log of job ${lease.jobId}` });
    if (fenced.aborted || !sender) {
      await forget(state, lease);
      return;
    }
    const result = jobResult({ ...parts, seal });
    await telling
      .journal({ result, seal })
      .catch((error: unknown) =>
        telling.log.warn(
          { err: error },
          'the result cannot be kept for a restart of this agent; the server is told now',
        ),
      );
    await report({ transport, state, clock, lease, sender, seal, result }, [reporting, fenced]);
    emit('job:reported', { jobId: lease.jobId, epoch: lease.epoch });
  } catch (error) {
    await notTold(error, telling);
  } finally {
    await recorder[Symbol.asyncDispose]();
  }
}

async function notTold(error: unknown, { context, lease, log }: Telling): Promise<void> {
  const { state, reporting, emit } = context;
  if (reporting.aborted) {
    log.warn({}, 'the server was not told of the end of the build; the next start of the agent will');
    return;
  }
  const known = RitmoError.from(error);
  log.error({ err: known }, 'the server refused the result of the build');
  if (known.code !== 'RITMO_FENCED') emit('agent:error', { error: known, where: `report of job ${lease.jobId}` });
  await forget(state, lease).catch((cause: unknown) => log.error({ err: cause }, 'the journal could not be cleared'));
}

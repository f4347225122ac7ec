import type { WorkerStatus } from '@ritmo/protocol';
import type { JsonStore } from '../artifact/store.js';
import { collectArtifacts } from '../build/artifacts.js';
import type { BuildContext } from '../build/context.js';
import { Cancellation } from '../build/cancellation.js';
import { disposeWatched } from '../build/dispose.js';
import { afterStoring, closingLine, errored, stopped, type Verdict } from '../build/outcome.js';
import { forget, report } from '../build/report.js';
import { jobResult } from '../build/result.js';
import { RitmoError } from '../errors.js';
import type { CancelCause } from '../executor/request.js';
import type { EndedSandbox } from '../executor/sandbox.js';
import { isUnfinishedUpload, type JournalEntry, type StoringState } from '../journal/journal.js';
import type { StateDir } from '../journal/state-dir.js';
import { LogRecorder, LogSender, MaskSet } from '../log/index.js';
import type { Lease } from '../transport/transport.js';
import type { Held } from './held.js';

type UnfinishedUpload = JournalEntry & { readonly storing: StoringState };

/** Stores what a build left whose agent died meanwhile, and reports the build as it had ended. */
export class LeftoverUpload implements Held {
  readonly lease: Lease;
  readonly job: Held['job'];
  readonly #context: BuildContext;
  readonly #sandbox: EndedSandbox;
  readonly #cancellation = new Cancellation();
  readonly #fenced = new AbortController();
  readonly #masks = new MaskSet();
  #entry: UnfinishedUpload;
  #recorder: LogRecorder | undefined;

  constructor(entry: UnfinishedUpload, lease: Lease, sandbox: EndedSandbox, context: BuildContext) {
    this.lease = lease;
    this.job = { onLost: entry.storing.onLost };
    this.#context = context;
    this.#sandbox = sandbox;
    this.#entry = entry;
  }

  /** Whether the upload was not finished, and every secret is still known that must not leave the agent in a name. */
  static canGoOn(entry: JournalEntry, state: StateDir): boolean {
    return isUnfinishedUpload(entry) && new Set(state.masks.of(entry)).size >= (entry.storing?.masks ?? 0);
  }

  /** It needs no slot: to the server its steps have ended. */
  get status(): WorkerStatus['running'][number] {
    const { jobId, epoch } = this.lease;
    return { jobId, epoch, phase: 'finishing', logBytes: this.#recorder?.bytes ?? 0 };
  }

  cancel(cause: CancelCause): void {
    this.#cancellation.cancel(cause);
  }

  abandon(cause: CancelCause): void {
    this.#cancellation.abandon(cause);
  }

  fence(): void {
    this.#fenced.abort(new RitmoError('RITMO_FENCED', 'Another attempt holds the job.'));
    this.abandon({ reason: 'lease-lost', graceMs: 0 });
  }

  /** Settles when the server knows, and never rejects. What a stopping agent leaves, the next one goes on with. */
  async run(): Promise<void> {
    const { state, emit, reporting } = this.#context;
    const log = this.#context.log.child({ job: this.lease.jobId, epoch: this.lease.epoch });
    try {
      await this.#finish();
      log.info({}, 'what a build of the agent before left is stored, and the build reported');
    } catch (error) {
      if (reporting.aborted) return;
      const known = RitmoError.from(error);
      log.error({ err: known }, 'a build of the agent before could not be reported');
      if (known.code !== 'RITMO_FENCED')
        emit('agent:error', { error: known, where: `report of job ${this.lease.jobId}` });
      if (!known.retryable) await forget(state, this.lease).catch(() => {});
    } finally {
      await this.#recorder?.[Symbol.asyncDispose]();
      if (!reporting.aborted || this.#entry.result) {
        await disposeWatched(this.#sandbox, (error) => {
          log.error({ err: error }, error.message);
          emit('agent:error', { error, where: `dispose of job ${this.lease.jobId}` });
        });
      }
    }
  }

  async #finish(): Promise<void> {
    const { state, clock, transport, reporting, emit } = this.#context;
    const { lease } = this;
    const { storing, claimedAt } = this.#entry;
    await this.#journal({ storing: { ...storing, tries: storing.tries + 1 } });
    const added = state.masks.of(lease);
    for (const secret of added) this.#masks.add(secret);
    const recorder = await LogRecorder.reopen({
      path: state.spoolPath(lease.jobId, lease.epoch),
      clock,
      masks: this.#masks,
      added,
    });
    this.#recorder = recorder;
    const signal = AbortSignal.any([reporting, this.#fenced.signal]);
    recorder.note('warn', 'The agent died while artifacts were stored; the one after it goes on.');
    const sender = new LogSender({
      source: recorder.spool,
      transport,
      lease,
      onCancel: ({ reason, graceMs }) => this.cancel({ reason, graceMs }),
      signal,
      resume: true,
    });
    const { verdict, stored } = await this.#store();
    signal.throwIfAborted();
    const durationMs = Math.max(0, clock.now() - Date.parse(claimedAt));
    recorder.note(verdict.outcome === 'succeeded' ? 'info' : 'error', closingLine(verdict, durationMs));
    const { length, sha256, truncatedBytes } = await recorder.close();
    const seal = { length, sha256, truncatedBytes };
    const { steps } = storing;
    const result = jobResult({ verdict, steps, usage: undefined, durationMs, seal, artifacts: stored });
    await this.#journal({ result, seal });
    await report({ transport, state, clock, lease, sender, seal, result }, [reporting, this.#fenced.signal]);
    emit('job:reported', { jobId: lease.jobId, epoch: lease.epoch });
  }

  async #store(): Promise<{ readonly verdict: Verdict; readonly stored: number }> {
    const { verdict, artifacts } = this.#entry.storing;
    const { reporting } = this.#context;
    try {
      const { stored, failure } = await collectArtifacts({
        context: this.#context,
        job: { artifacts },
        lease: this.lease,
        succeeded: verdict.outcome === 'succeeded',
        sandbox: this.#sandbox,
        resume: this.#resume(),
        note: (level, text) => this.#recorder?.note(level, text),
        mask: (text) => this.#masks.maskText(text),
        signal: AbortSignal.any([this.#cancellation.signal, reporting]),
      });
      return { verdict: afterStoring(verdict, failure), stored };
    } catch (error) {
      reporting.throwIfAborted();
      if (error instanceof RitmoError && error.code === 'RITMO_FENCED') throw error;
      if (verdict.outcome !== 'succeeded') return { verdict, stored: 0 };
      const { cause } = this.#cancellation;
      return { verdict: cause ? stopped(cause.reason) : errored(error), stored: 0 };
    }
  }

  #resume(): JsonStore {
    return {
      get: (key) => Promise.resolve(this.#entry.uploads?.[key]),
      set: (key, value) => this.#journal({ uploads: { ...this.#entry.uploads, [key]: value } }),
    };
  }

  async #journal(change: Partial<UnfinishedUpload>): Promise<void> {
    this.#entry = { ...this.#entry, ...change };
    await this.#context.state.journal.write(this.#entry);
  }
}

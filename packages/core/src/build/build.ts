import type { Job, Offer, StepResult, WorkerStatus } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { CancelCause } from '../executor/request.js';
import type { PrepareScope, ResourceUsage, Sandbox, WorkspaceVolume } from '../executor/sandbox.js';
import type { JournalEntry } from '../journal/journal.js';
import { LogRecorder, LogSender, MaskSet } from '../log/index.js';
import { maskedLogger } from '../logger.js';
import type { Logger } from '../executor/host.js';
import type { Lease } from '../transport/transport.js';
import { admit } from './admission.js';
import { collectArtifacts } from './artifacts.js';
import { type CacheParts, type RestoredCache, restoreCaches, saveCaches } from './caches.js';
import { Cancellation } from './cancellation.js';
import type { BuildContext } from './context.js';
import { after, withDeadline } from './deadline.js';
import { checkOutSource } from './check-out-source.js';
import { disposeWatched } from './dispose.js';
import { afterStoring, closingLine, errored, stopped, type Verdict } from './outcome.js';
import { forget, report } from './report.js';
import { handBack } from './hand-back.js';
import { jobResult } from './result.js';
import { sandboxRequest } from './sandbox-request.js';
import { BuildSecrets } from './secrets.js';
import { storingState } from './storing-state.js';
import { cleanupMs, runSteps } from './steps.js';

type Phase = WorkerStatus['running'][number]['phase'];

/**
 * One attempt of a job on this worker: claim → journal → accept ∥ (allocate → fill → prepare) → steps → artifacts →
 * seal → finish, and the sandbox is gone.
 */
export class Build {
  readonly job: Job;
  readonly lease: Lease;
  readonly #slot: number;
  readonly #context: BuildContext;
  readonly #cancellation = new Cancellation();
  /** Aborted when the server takes nothing more of this epoch. */
  readonly #fenced = new AbortController();
  readonly #masks = new MaskSet();
  readonly #secrets: BuildSecrets;
  readonly #cacheScope: string | undefined;
  readonly #log: Logger;
  readonly #begin: number;
  #phase: Phase = 'accepting';
  #entry: JournalEntry;
  #recorder: LogRecorder | undefined;
  #sender: LogSender | undefined;
  #executorName: string | undefined;
  #volume: WorkspaceVolume | undefined;
  #sandbox: Sandbox | undefined;
  #usage: ResourceUsage | undefined;
  #steps: readonly StepResult[] = [];
  #artifacts = 0;
  #caches: readonly RestoredCache[] = [];

  constructor(offer: Offer, slot: number, context: BuildContext) {
    const { jobId, epoch, ttlMs } = offer.lease;
    this.job = offer.job;
    this.lease = { jobId, epoch, ttlMs, token: offer.jobToken };
    this.#slot = slot;
    this.#context = context;
    this.#cacheScope = offer.cacheScope;
    this.#secrets = new BuildSecrets(offer.job, offer.secrets);
    this.#log = maskedLogger(context.log.child({ job: jobId, epoch }), (text) => this.#masks.maskText(text));
    this.#begin = context.clock.monotonic();
    this.#entry = {
      version: 1,
      jobId,
      epoch,
      jobName: offer.job.name,
      claimedAt: new Date(context.clock.now()).toISOString(),
    };
  }

  /** What heartbeats say of it. */
  get status(): WorkerStatus['running'][number] {
    const { jobId, epoch } = this.lease;
    return { jobId, epoch, phase: this.#phase, logBytes: this.#recorder?.bytes ?? 0 };
  }

  /** Stops it; cleanup steps still run, except when the lease is lost. The first reason wins. */
  cancel(cause: CancelCause): void {
    if (this.#cancellation.cancel(cause)) this.#cancelling(cause);
  }

  /** Stops it with its cleanup steps. */
  abandon(cause: CancelCause): void {
    if (this.#cancellation.abandon(cause)) this.#cancelling(cause);
  }

  /** The epoch is not ours any more: everything ends at once, and nothing more of it is sent. */
  fence(): void {
    this.#fenced.abort(new RitmoError('RITMO_FENCED', 'Another attempt holds the job.'));
    this.abandon({ reason: 'lease-lost', graceMs: 0 });
  }

  /**
   * Settles when the sandbox is gone, never rejects. `reported` settles when the server knows, or when the agent
   * gave up telling; it never rejects either. `released`: the offer went back, and nothing was made.
   */
  async run(): Promise<{ readonly reported: Promise<void>; readonly released: boolean }> {
    const { emit, clock } = this.#context;
    const { jobId, epoch } = this.lease;
    emit('job:claimed', { jobId, epoch, name: this.job.name });
    let room: Disposable | undefined;
    try {
      room = this.#context.reserve(this.job);
      await this.#open();
    } catch (error) {
      room?.[Symbol.dispose]();
      return {
        reported: handBack(this.lease, RitmoError.from(error), { ...this.#context, log: this.#log }),
        released: true,
      };
    }
    const timeout = after(this.job.timeout, () => this.cancel({ reason: 'job-timeout' }));
    let verdict = await this.#work().catch((error: unknown) => this.#verdictOf(error));
    verdict = await this.#collect(verdict);
    if (this.#sandbox && verdict.outcome === 'succeeded')
      await saveCaches(this.#cacheParts(this.#sandbox, this.#cancellation.signal), this.#caches);
    timeout[Symbol.dispose]();
    const cause = this.#cancellation.cause;
    if (cause && verdict.outcome === 'succeeded') verdict = stopped(cause.reason);
    this.#usage = await this.#sandbox?.usage(AbortSignal.timeout(5_000)).catch(() => undefined);
    this.#phase = 'finishing';
    const durationMs = Math.round(clock.monotonic() - this.#begin);
    const reported = this.#report(verdict, durationMs);
    await this.#dispose();
    room[Symbol.dispose]();
    emit('job:finished', { jobId, outcome: verdict.outcome, durationMs, logBytes: this.#recorder?.bytes ?? 0 });
    return { reported, released: false };
  }

  /** What must be there before anything of the build is made. */
  async #open(): Promise<void> {
    const { state, clock, policy, emit, listens } = this.#context;
    const { jobId, epoch } = this.lease;
    await state.journal.write(this.#entry);
    const warnings = this.#secrets.hide(this.#masks);
    const recorder = await LogRecorder.open({
      path: state.spoolPath(jobId, epoch),
      jobId,
      epoch,
      clock,
      masks: this.#masks,
      onMask: (value) => this.#keepMask(value),
      ...(policy.maxLogBytes !== undefined && { maxBytes: policy.maxLogBytes }),
      ...(policy.minFreeDiskBytes !== undefined && { minFreeBytes: policy.minFreeDiskBytes }),
      ...(listens('job:log') && { onAppend: (bytes: Uint8Array) => emit('job:log', { jobId, bytes }) }),
    });
    this.#recorder = recorder;
    for (const warning of warnings) recorder.note('warn', warning);
  }

  #keepMask(value: string): void {
    try {
      this.#context.state.masks.keep(this.lease, value);
    } catch (error) {
      this.#log.warn({ err: error }, 'a value that the build hides cannot be kept for a restart of this agent');
    }
  }

  async #work(): Promise<Verdict> {
    const accepted = this.#accept();
    let sandbox: Sandbox;
    try {
      sandbox = await this.#prepare();
    } finally {
      await accepted;
    }
    if (this.#cancellation.cause) return stopped(this.#cancellation.cause.reason);
    this.#caches = await restoreCaches(this.#cacheParts(sandbox, this.#cancellation.signal));
    this.#cancellation.signal.throwIfAborted();
    this.#phase = 'running';
    return this.#runSteps(sandbox);
  }

  /** Never rejects: an epoch that is not accepted is fenced. */
  async #accept(): Promise<void> {
    const { transport } = this.#context;
    const { signal } = this.#fenced;
    try {
      await transport.accept(this.lease, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.#log.warn({ err: error }, 'the job was not accepted');
        this.fence();
      }
      return;
    }
    const recorder = this.#recorder as LogRecorder;
    const sender = new LogSender({
      source: recorder.spool,
      transport,
      lease: this.lease,
      onCancel: ({ reason, graceMs }) => this.cancel({ reason, graceMs }),
      signal,
    });
    this.#sender = sender;
    sender.done.catch((error: unknown) => {
      if (signal.aborted) return;
      this.#log.warn({ err: error }, 'the server refused the log; the build is stopped');
      this.fence();
    });
  }

  async #prepare(): Promise<Sandbox> {
    const { executors, policy, emit, clock, version, worker } = this.#context;
    const recorder = this.#recorder as LogRecorder;
    const { epoch, jobId } = this.lease;
    recorder.note('info', `Ritmo agent ${version}, worker ${worker}, attempt ${epoch}.`);
    const admission = admit(this.job, executors, policy);
    this.#executorName = admission.executor.name;
    await this.#secrets.ask(this.#context.secrets, { jobId, jobName: this.job.name }, this.#cancellation.signal);
    for (const warning of this.#secrets.hide(this.#masks)) recorder.note('warn', warning);
    this.#secrets.checkDelivered();
    this.#phase = 'preparing';
    const begin = clock.monotonic();
    const request = sandboxRequest(this.job, {
      lease: this.lease,
      slot: this.#slot,
      admission,
      secrets: this.#secrets,
    });
    const scope: PrepareScope = {
      signal: this.#cancellation.signal,
      progress: (message) => recorder.note('info', message),
      record: (record) => this.#journal({ sandbox: record, executor: admission.executor.name }),
    };
    this.#volume = await admission.executor.allocate(request, scope);
    await checkOutSource({
      job: this.job,
      policy,
      volume: this.#volume,
      network: admission.network,
      secrets: this.#secrets,
      recorder,
      signal: this.#cancellation.signal,
    });
    this.#sandbox = await admission.executor.prepare(request, this.#volume, scope);
    recorder.note(
      'info',
      `${this.#sandbox.description}${this.job.network ? '' : ` (network: the default of ${admission.executor.name})`}`,
    );
    emit('job:prepared', { jobId, sandboxId: request.sandboxId, durationMs: clock.monotonic() - begin });
    return this.#sandbox;
  }

  async #runSteps(sandbox: Sandbox): Promise<Verdict> {
    const { emit, clock, worker } = this.#context;
    const { jobId, epoch } = this.lease;
    const { verdict, steps } = await runSteps({
      job: this.job,
      sandbox,
      cancellation: this.#cancellation,
      recorder: this.#recorder as LogRecorder,
      clock,
      facts: { jobId, epoch, worker },
      secrets: await this.#secrets.deliver(sandbox, this.#cancellation.signal),
      mask: (text) => this.#masks.maskText(text),
      started: (index, name) => emit('step:started', { jobId, index, name }),
      finished: (index, exit, durationMs) => emit('step:finished', { jobId, index, exit, durationMs }),
    });
    this.#steps = steps;
    return verdict;
  }

  /** Stores artifacts, also of a build that failed. */
  async #collect(verdict: Verdict): Promise<Verdict> {
    const sandbox = this.#sandbox;
    if (!sandbox || this.job.artifacts.length === 0 || this.#cancellation.abandoned.aborted) return verdict;
    this.#phase = 'collecting';
    // A cancel ends the collecting of a build that went well; one that was cancelled before has the time for cleanup.
    const { cause, signal, abandoned } = this.#cancellation;
    using bounded = cause
      ? withDeadline([abandoned], cleanupMs, { reason: cause.reason })
      : withDeadline([signal], undefined, { reason: 'user' });
    try {
      await this.#journalStoring(verdict);
      const { stored, failure } = await collectArtifacts({
        context: this.#context,
        job: this.job,
        lease: this.lease,
        succeeded: verdict.outcome === 'succeeded',
        sandbox,
        resume: this.#resume(),
        note: (level, text) => this.#recorder?.note(level, text),
        mask: (text) => this.#masks.maskText(text),
        signal: bounded.signal,
      });
      this.#artifacts = stored;
      return afterStoring(verdict, failure);
    } catch (error) {
      if (error instanceof RitmoError && error.code === 'RITMO_FENCED') this.fence();
      return verdict.outcome === 'succeeded' ? this.#verdictOf(error) : verdict;
    }
  }

  /** From here on an agent after this one can go on. */
  async #journalStoring(verdict: Verdict): Promise<void> {
    const { lease, job } = this;
    const parts = { lease, job, verdict, steps: this.#steps, secrets: this.#masks.secrets };
    const keep = async () => this.#journal({ storing: storingState(this.#context.state.masks, parts) });
    await keep().catch((error: unknown) => this.#log.warn({ err: error }, 'a restart would lose the artifacts'));
  }

  #cacheParts(sandbox: Sandbox, signal: AbortSignal): CacheParts {
    const note: CacheParts['note'] = (level, text) => this.#recorder?.note(level, text);
    return { context: this.#context, job: this.job, scope: this.#cacheScope, sandbox, note, signal };
  }

  #resume() {
    return {
      get: (key: string) => Promise.resolve(this.#entry.uploads?.[key]),
      set: (key: string, value: unknown) => this.#journal({ uploads: { ...this.#entry.uploads, [key]: value } }),
    };
  }

  #verdictOf(error: unknown): Verdict {
    const cause = this.#cancellation.cause;
    if (cause) return stopped(cause.reason);
    this.#log.error({ err: error }, 'the build broke');
    const verdict = errored(error);
    if (!verdict.failure) return verdict;
    const { failure } = verdict;
    return { ...verdict, failure: { ...failure, message: this.#masks.maskText(failure.message) } };
  }

  /** Closes the log, keeps the result in the journal, and tells the server. */
  async #report(verdict: Verdict, durationMs: number): Promise<void> {
    const { state, transport, reporting, emit, clock } = this.#context;
    const recorder = this.#recorder as LogRecorder;
    const lease = this.lease;
    try {
      recorder.note(verdict.outcome === 'succeeded' ? 'info' : 'error', closingLine(verdict, durationMs));
      const { failure, ...seal } = await recorder.close();
      if (failure) emit('agent:error', { error: failure, where: `log of job ${lease.jobId}` });
      const sender = this.#sender;
      if (this.#fenced.signal.aborted || !sender) {
        await forget(state, lease);
        return;
      }
      const result = jobResult({
        verdict,
        steps: this.#steps,
        usage: this.#usage,
        durationMs,
        seal,
        artifacts: this.#artifacts,
      });
      await this.#journal({ result, seal }).catch((error: unknown) =>
        this.#log.warn({ err: error }, 'the result cannot be kept for a restart of this agent; the server is told now'),
      );
      await report({ transport, state, clock, lease, sender, seal, result }, [reporting, this.#fenced.signal]);
      emit('job:reported', { jobId: lease.jobId, epoch: lease.epoch });
    } catch (error) {
      await this.#notReported(error);
    } finally {
      await recorder[Symbol.asyncDispose]();
    }
  }

  async #notReported(error: unknown): Promise<void> {
    const { state, reporting, emit } = this.#context;
    if (reporting.aborted) {
      this.#log.warn({}, 'the server was not told of the end of the build; the next start of the agent will');
      return;
    }
    const known = RitmoError.from(error);
    this.#log.error({ err: known }, 'the server refused the result of the build');
    if (known.code !== 'RITMO_FENCED')
      emit('agent:error', { error: known, where: `report of job ${this.lease.jobId}` });
    await forget(state, this.lease).catch((cause: unknown) =>
      this.#log.error({ err: cause }, 'the journal could not be cleared'),
    );
  }

  async #dispose(): Promise<void> {
    const resource = this.#sandbox ?? this.#volume;
    if (!resource) return;
    const where = `dispose of job ${this.lease.jobId} (${this.#executorName ?? 'no executor'})`;
    await disposeWatched(resource, (error) => {
      this.#log.error({ err: error }, error.message);
      this.#context.emit('agent:error', { error, where });
    });
  }

  #cancelling({ reason }: CancelCause): void {
    this.#recorder?.note('warn', `Stopping: ${reason}.`);
    this.#log.info({ reason }, 'stopping the build');
    this.#context.emit('job:cancelling', { jobId: this.lease.jobId, reason });
  }

  async #journal(change: Partial<JournalEntry>): Promise<void> {
    this.#entry = { ...this.#entry, ...change };
    await this.#context.state.journal.write(this.#entry);
  }
}

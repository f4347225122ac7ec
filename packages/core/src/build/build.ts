import type { Job, Offer, StepResult, WorkerStatus } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { CancelCause } from '../executor/request.js';
import type { Sandbox } from '../executor/sandbox.js';
import { firstEntry, type JournalEntry } from '../journal/journal.js';
import type { LogRecorder } from '../log/index.js';
import type { Lease } from '../transport/transport.js';
import { accept } from './accept.js';
import { collectArtifacts } from './artifacts.js';
import { BuildLog, type SendingEvents } from './build-log.js';
import { type CacheParts, type RestoredCache, restoreCaches, saveCaches } from './caches.js';
import { Cancellation } from './cancellation.js';
import type { BuildContext } from './context.js';
import { after, withDeadline } from './deadline.js';
import { disposeWatched } from './dispose.js';
import { finishCrashed } from './leftover.js';
import { afterStoring, errored, isOfExecutor, stopped, succeeded, type Verdict } from './outcome.js';
import { prepareSandbox } from './prepare.js';
import { type BuildProgress, noteGap, type RecoveredSandbox, type StepsProgress } from './progress.js';
import { handBack } from './hand-back.js';
import { BuildSecrets } from './secrets.js';
import { storingState } from './storing-state.js';
import { cleanupMs, runSteps } from './steps.js';
import { tell, usageOf } from './tell.js';

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
  readonly #buildLog: BuildLog;
  readonly #secrets: BuildSecrets;
  readonly #cacheScope: string | undefined;
  readonly #begin: number;
  #phase: Phase = 'accepting';
  #entry: JournalEntry;
  /** What is to be disposed: the volume, then the sandbox around it. */
  #resource: AsyncDisposable | undefined;
  #sandbox: Sandbox | undefined;
  #steps: readonly StepResult[] = [];
  #artifacts = 0;
  #caches: readonly RestoredCache[];
  readonly #recovered: RecoveredSandbox | undefined;
  #left = false;

  /** `recovered` is its sandbox, where an agent before this one has begun it; `entry` what that agent kept of it. */
  constructor(
    offer: Offer,
    slot: number,
    context: BuildContext,
    { entry, recovered }: { readonly entry?: JournalEntry; readonly recovered?: RecoveredSandbox } = {},
  ) {
    const { jobId, epoch, ttlMs } = offer.lease;
    this.job = offer.job;
    this.lease = { jobId, epoch, ttlMs, token: offer.jobToken };
    this.#slot = slot;
    this.#context = context;
    this.#cacheScope = offer.cacheScope;
    this.#secrets = new BuildSecrets(offer.job, offer.secrets);
    this.#buildLog = new BuildLog(context, this.lease);
    const passedMs = entry ? Math.max(0, context.clock.now() - Date.parse(entry.claimedAt)) : 0;
    this.#begin = context.clock.monotonic() - passedMs;
    this.#recovered = recovered;
    this.#sandbox = recovered?.sandbox;
    this.#resource = recovered?.sandbox;
    this.#caches = entry?.progress?.caches ?? [];
    this.#entry = entry ?? firstEntry(offer, context.clock.now());
  }

  get #log() {
    return this.#buildLog.agent;
  }

  /** Of a build that was opened. */
  get #recorder(): LogRecorder {
    return this.#buildLog.recorder as LogRecorder;
  }

  /** Its steps and artifacts are through: nothing of it can be stopped any more. */
  get ended(): boolean {
    return this.#phase === 'finishing';
  }

  /** What heartbeats say of it. */
  get status(): WorkerStatus['running'][number] {
    return { jobId: this.lease.jobId, epoch: this.lease.epoch, phase: this.#phase, logBytes: this.#buildLog.bytes };
  }

  /** Stops it; cleanup steps still run, except when the lease is lost. The first reason wins. */
  cancel(cause: CancelCause): void {
    if (!this.ended && this.#cancellation.cancel(cause)) this.#cancelling(cause);
  }

  /** Stops it with its cleanup steps. */
  abandon(cause: CancelCause): void {
    if (!this.ended && this.#cancellation.abandon(cause)) this.#cancelling(cause);
  }

  /** The epoch is not ours any more: everything ends at once, and nothing more of it is sent. */
  fence(): void {
    this.#fenced.abort(new RitmoError('RITMO_FENCED', 'Another attempt holds the job.'));
    this.abandon({ reason: 'lease-lost', graceMs: 0 });
  }

  /** Whether `leave` would leave it now: its steps run, in a sandbox that outlives this agent. */
  get leavable(): boolean {
    const begun = this.#entry.progress !== undefined;
    return this.#phase === 'running' && begun && this.#sandbox?.detach !== undefined;
  }

  /** Leaves it to the agent after this one, as it is; then `run` settles. Does nothing where it is not `leavable`. */
  async leave(): Promise<void> {
    const { progress } = this.#entry;
    if (this.#left || !this.leavable || !progress) return;
    this.#left = true;
    await this.#sandbox?.detach?.();
    await this.#journal({ progress: { ...progress, left: true } });
  }

  /**
   * Settles when the sandbox is gone or was left, never rejects. `reported` settles when the server knows, or when the agent
   * gave up telling; it never rejects either. `released`: the offer went back, and nothing was made.
   */
  async run(): Promise<{ readonly reported: Promise<void>; readonly released: boolean }> {
    const { emit, clock } = this.#context;
    const { jobId, epoch } = this.lease;
    this.#buildLog.begins(this.job.name, this.#recovered !== undefined);
    let room: Disposable | undefined;
    try {
      room = this.#context.reserve(this.job, this.#recovered !== undefined);
      const { progress } = this.#entry;
      await (this.#recovered && progress ? this.#reopen(progress) : this.#open());
    } catch (error) {
      room?.[Symbol.dispose]();
      return this.#recovered ? await this.#notRecovered(error) : this.#handBack(RitmoError.from(error));
    }
    const passed = clock.monotonic() - this.#begin;
    const timeout = after(Math.max(0, this.job.timeout - passed), () => this.cancel({ reason: 'job-timeout' }));
    let verdict = succeeded;
    try {
      const { sandbox } = this.#recovered ?? {};
      verdict = await (sandbox ? this.#runSteps(sandbox, this.#secrets.variables(sandbox)) : this.#work());
    } catch (error) {
      if (this.#isUnbegun(error)) {
        timeout[Symbol.dispose]();
        return await this.#giveBack(error, room);
      }
      if (!this.#left) verdict = this.#verdictOf(error);
    }
    if (this.#left) {
      timeout[Symbol.dispose]();
      room[Symbol.dispose]();
      this.#fenced.abort(new RitmoError('RITMO_AGENT_STOPPING', 'The build was left to another agent.'));
      await this.#recorder[Symbol.asyncDispose]();
      emit('job:left', { jobId, epoch });
      return { reported: Promise.resolve(), released: false };
    }
    verdict = await this.#collect(verdict);
    if (this.#sandbox && verdict.outcome === 'succeeded')
      await saveCaches(this.#cacheParts(this.#sandbox, this.#cancellation.signal), this.#caches);
    timeout[Symbol.dispose]();
    const cause = this.#cancellation.cause;
    if (cause && verdict.outcome === 'succeeded') verdict = stopped(cause.reason);
    const usage = this.#sandbox && (await usageOf(this.#sandbox));
    this.#phase = 'finishing';
    const durationMs = Math.round(clock.monotonic() - this.#begin);
    const reported = tell({
      context: this.#context,
      lease: this.lease,
      recorder: this.#recorder,
      sender: this.#buildLog.sender,
      fenced: this.#fenced.signal,
      log: this.#log,
      journal: (change) => this.#journal(change),
      parts: { verdict, steps: this.#steps, usage, durationMs, artifacts: this.#artifacts },
    });
    await this.#dispose();
    room[Symbol.dispose]();
    this.#buildLog.ended(this.job.name, verdict.outcome, durationMs);
    return { reported, released: false };
  }

  /** What must be there before anything of the build is made. */
  async #open(): Promise<void> {
    await this.#context.state.journal.write(this.#entry);
    const warnings = this.#secrets.hide(this.#buildLog.masks);
    const recorder = await this.#buildLog.open();
    for (const warning of warnings) recorder.note('warn', warning);
  }

  /** The log of a build that an agent before this one has begun, with all that it hides. */
  async #reopen(progress: BuildProgress): Promise<void> {
    this.#secrets.hide(this.#buildLog.masks);
    const whose = { jobId: this.lease.jobId, jobName: this.job.name };
    await this.#secrets.ask(this.#context.secrets, whose, this.#cancellation.signal);
    this.#secrets.hide(this.#buildLog.masks);
    this.#secrets.checkDelivered();
    const recorder = await this.#buildLog.reopen();
    noteGap(recorder, progress);
    await this.#journal({ progress: { ...progress, left: false } });
    if (progress.cause) this.#cancellation.cancel(progress.cause);
    this.#buildLog.send(recorder, this.#sending, true);
    this.#log.info({ step: progress.running?.index }, 'a build of the agent before goes on');
  }

  async #work(): Promise<Verdict> {
    const accepted = this.#accept();
    let sandbox: Sandbox;
    try {
      sandbox = await this.#prepare();
    } finally {
      await accepted;
    }
    this.#sandbox = sandbox;
    if (this.#cancellation.cause) return stopped(this.#cancellation.cause.reason);
    this.#caches = await restoreCaches(this.#cacheParts(sandbox, this.#cancellation.signal));
    this.#cancellation.signal.throwIfAborted();
    return this.#runSteps(sandbox, await this.#secrets.deliver(sandbox, this.#cancellation.signal));
  }

  /** Never rejects: an epoch that is not accepted is fenced. */
  async #accept(): Promise<void> {
    const accepted = await accept(this.#context.transport, this.lease, this.#log, this.#fenced.signal);
    if (accepted) this.#buildLog.send(this.#recorder, this.#sending, false);
    else this.fence();
  }

  get #sending(): SendingEvents {
    return {
      cancelled: ({ reason, graceMs }) => this.cancel({ reason, graceMs }),
      refused: () => this.fence(),
      signal: this.#fenced.signal,
    };
  }

  #prepare(): Promise<Sandbox> {
    return prepareSandbox({
      job: this.job,
      lease: this.lease,
      slot: this.#slot,
      context: this.#context,
      secrets: this.#secrets,
      masks: this.#buildLog.masks,
      recorder: this.#recorder,
      signal: this.#cancellation.signal,
      journal: (change) => this.#journal(change),
      admitted: () => (this.#phase = 'preparing'),
      made: (resource) => (this.#resource = resource),
    });
  }

  async #runSteps(sandbox: Sandbox, secrets: Readonly<Record<string, string>>): Promise<Verdict> {
    const { emit, clock, worker } = this.#context;
    const { jobId, epoch } = this.lease;
    const recovered = this.#recovered;
    const from = recovered && this.#entry.progress;
    this.#phase = 'running';
    const { verdict, steps } = await runSteps({
      job: this.job,
      sandbox,
      cancellation: this.#cancellation,
      recorder: this.#recorder,
      clock,
      facts: { jobId, epoch, worker },
      secrets,
      mask: (text) => this.#buildLog.masks.maskText(text),
      ...(from && { from }),
      ...(recovered?.runningStep !== undefined && { attachable: recovered.runningStep }),
      keep: (progress) => this.#keepProgress(progress),
      started: (index, name) => emit('step:started', { jobId, index, name }),
      finished: (index, exit, durationMs) => emit('step:finished', { jobId, index, exit, durationMs }),
    });
    this.#steps = steps;
    return verdict;
  }

  /** For builds that another agent process could go on with; without a journal this one goes on all the same. */
  async #keepProgress(progress: StepsProgress): Promise<void> {
    if (this.#sandbox?.detach === undefined) return;
    const { cause } = this.#cancellation;
    const kept = { ...progress, slot: this.#slot, caches: this.#caches, ...(cause && { cause }), left: this.#left };
    await this.#journal({ progress: kept }).catch((error: unknown) =>
      this.#log.warn({ err: error }, 'the journal does not say how far the build is'),
    );
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
        project: this.#cacheScope,
        succeeded: verdict.outcome === 'succeeded',
        sandbox,
        resume: {
          get: (key: string) => Promise.resolve(this.#entry.uploads?.[key]),
          set: (key: string, value: unknown) => this.#journal({ uploads: { ...this.#entry.uploads, [key]: value } }),
        },
        note: (level, text) => this.#buildLog.recorder?.note(level, text),
        mask: (text) => this.#buildLog.masks.maskText(text),
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
    const known = { before: this.#entry.storing, verdict, steps: this.#steps, secrets: this.#buildLog.masks.secrets };
    const keep = async () =>
      this.#journal({ storing: storingState(this.#context.state.masks, { lease, job, ...known }) });
    await keep().catch((error: unknown) => this.#log.warn({ err: error }, 'a restart would lose the artifacts'));
  }

  #cacheParts(sandbox: Sandbox, signal: AbortSignal): CacheParts {
    const note: CacheParts['note'] = (level, text) => this.#buildLog.recorder?.note(level, text);
    return { context: this.#context, job: this.job, scope: this.#cacheScope, sandbox, note, signal };
  }

  #verdictOf(error: unknown): Verdict {
    const cause = this.#cancellation.cause;
    if (cause) return stopped(cause.reason);
    this.#log.error({ err: error }, 'the build broke');
    if (isOfExecutor(error)) this.#context.doubt();
    return errored(error, (text) => this.#buildLog.masks.maskText(text));
  }

  /** The executor failed before anything of the steps had begun: another worker may do better. */
  #isUnbegun(error: unknown): error is RitmoError {
    return isOfExecutor(error) && this.#phase === 'preparing' && !this.#cancellation.cause;
  }

  async #giveBack(error: RitmoError, room: Disposable): Promise<{ reported: Promise<void>; released: boolean }> {
    this.#context.doubt();
    await this.#dispose();
    room[Symbol.dispose]();
    this.#fenced.abort(error); // Nothing more of its log is sent.
    await this.#recorder[Symbol.asyncDispose]();
    return this.#handBack(error);
  }

  #handBack(error: RitmoError): { reported: Promise<void>; released: boolean } {
    return { reported: handBack(this.lease, error, { ...this.#context, log: this.#log }), released: true };
  }

  /** A build that was taken up and yet cannot go on here: its sandbox goes, and it is told as one whose agent died. */
  async #notRecovered(error: unknown): Promise<{ readonly reported: Promise<void>; readonly released: boolean }> {
    this.#log.error({ err: error }, 'a build of the agent before cannot go on');
    await this.#dispose();
    await this.#buildLog.recorder?.[Symbol.asyncDispose]();
    return { reported: finishCrashed(this.#entry, this.lease, this.#context), released: false };
  }

  async #dispose(): Promise<void> {
    const resource = this.#resource;
    if (!resource) return;
    const where = `dispose of job ${this.lease.jobId} (${this.#entry.executor ?? 'no executor'})`;
    await disposeWatched(resource, (error) => {
      this.#log.error({ err: error }, error.message);
      this.#context.emit('agent:error', { error, where });
    });
  }

  #cancelling({ reason }: CancelCause): void {
    this.#buildLog.recorder?.note('warn', `Stopping: ${reason}.`);
    this.#log.info({ reason }, 'stopping the build');
    this.#context.emit('job:cancelling', { jobId: this.lease.jobId, reason });
    if (this.#entry.progress) void this.#keepProgress(this.#entry.progress);
  }

  async #journal(change: Partial<JournalEntry>): Promise<void> {
    this.#entry = { ...this.#entry, ...change };
    await this.#context.state.journal.write(this.#entry);
  }
}

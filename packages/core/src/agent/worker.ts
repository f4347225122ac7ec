import type { HeartbeatAnswer, Job, Offer, Registration, WorkerEvent, WorkerStatus } from '@ritmo/protocol';
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { apiArtifactStore } from '../artifact/index.js';
import type { ArtifactStore } from '../artifact/store.js';
import { limitsOf } from '../build/admission.js';
import type { BuildContext } from '../build/context.js';
import type { CacheStore } from '../cache/store.js';
import { type Code, RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor } from '../executor/plugin.js';
import { type Health, HealthWatch } from '../health/health-watch.js';
import { CpuShare, hostUse } from '../health/host-stats.js';
import { hostMemory, Room } from '../health/room.js';
import { StateDir } from '../journal/state-dir.js';
import { version as ownVersion } from '../version.js';
import type { WorkerFacts } from './agent-status.js';
import { Builds } from './builds.js';
import { claimLoop } from './claim-loop.js';
import { Claiming } from './claiming.js';
import type { SafeEmitter } from './events.js';
import type { Held } from './held.js';
import { eventsLoop } from './events-loop.js';
import { Heartbeat } from './heartbeat.js';
import { LeaseWatch } from './lease-watch.js';
import { closeAll, closeExecutors, leaveAll, openExecutors, sweepAgain } from './open-executors.js';
import type { AgentPatch, CheckedOptions } from './options.js';
import { adoptLeftovers, type Leftover } from './recover.js';
import { isolationOffers, register } from './registration.js';
import { takeLeave } from './take-leave.js';
import { Slots } from './slots.js';
import type { WorkerListener } from './worker-listener.js';

interface Parts {
  readonly options: CheckedOptions;
  readonly listener: WorkerListener;
  readonly events: SafeEmitter;
  readonly clock: Clock;
  readonly log: Logger;
  readonly state: StateDir;
  readonly name: string;
  readonly executors: readonly Executor[];
}

/** A registered worker with its loops: everything between the lock of the state directory and its release. */
export class Worker {
  readonly builds: Builds;
  readonly #parts: Parts;
  readonly #registration: Registration;
  readonly #instanceId: string;
  readonly #context: BuildContext;
  readonly #artifacts: ArtifactStore | undefined;
  readonly #caches: CacheStore | undefined;
  readonly #slots: Slots;
  readonly #watch: LeaseWatch;
  readonly #heartbeat: Heartbeat;
  readonly #health: HealthWatch;
  readonly #room: Room;
  readonly #cpu = new CpuShare();
  readonly #claiming: Claiming;
  readonly #serving = new AbortController();
  readonly #reporting = new AbortController();
  #labels: Readonly<Record<string, string>>;
  #hostUse: WorkerStatus['host'] = {};
  #lastClaim: { readonly at: string; readonly offers: number } | undefined;
  #lastBeat: string | undefined;
  #failedBeats = 0;
  /** Until when the server, which answers, knew of a build. */
  readonly #unknownSince = new WeakMap<Held, number>();
  readonly #loops: Promise<void>[];
  #closed: Promise<void> | undefined;
  /** The builds that the heartbeat under way names, and when it was made. */
  #asked: { readonly mark: ReturnType<LeaseWatch['mark']>; readonly held: Builds['held'] } | undefined;

  private constructor(parts: Parts, registration: Registration, instanceId: string) {
    const { options, events, clock, log, state, name, executors } = parts;
    const { transport } = options;
    this.#parts = parts;
    this.#registration = registration;
    this.#instanceId = instanceId;
    this.#caches = options.caches;
    this.#artifacts = options.artifacts ?? (transport.artifacts ? apiArtifactStore(transport) : undefined);
    this.#labels = options.labels;
    this.#slots = new Slots(options.maxConcurrent, options.until.jobs);
    const { minFreeDiskBytes } = options.health;
    this.#health = new HealthWatch({
      ...options.health,
      executors,
      folder: state.path,
      clock,
      log,
      probed: (executor, report) => events.emit('executor:probed', { executor, report }),
      changed: (health) => this.#healthChanged(health),
    });
    this.#room = new Room({
      cpus: availableParallelism(),
      memory: hostMemory,
      disk: () => this.#health.health.disk,
      minFreeDiskBytes,
    });
    this.#claiming = new Claiming((signal) => this.#guard(this.#claim(signal)));
    this.#watch = new LeaseWatch(clock, () => this.#heartbeat.now());
    this.builds = new Builds(this.#slots, this.#watch);
    this.#context = {
      transport,
      executors,
      artifacts: this.#artifacts,
      caches: this.#caches,
      policy: options.policy as BuildContext['policy'],
      secrets: options.secrets,
      state,
      reserve: (job, runs) => this.#reserve(job, runs),
      doubt: () => this.#health.doubt(),
      worker: name,
      version: options.version ?? ownVersion,
      log,
      clock,
      reporting: this.#reporting.signal,
      listens: (event) => events.has(event),
      emit: (event, payload) => events.emit(event, payload),
    };
    this.#heartbeat = new Heartbeat({
      transport,
      intervalMs: registration.heartbeatMs,
      clock,
      log,
      status: () => this.#status(),
      answered: (answer, durationMs) => {
        this.#lastBeat = new Date(clock.now()).toISOString();
        this.#failedBeats = 0;
        events.emit('heartbeat:answered', { durationMs });
        this.#answered(answer);
      },
      failed: (error, consecutive) => {
        this.#failedBeats = consecutive;
        events.emit('heartbeat:failed', { error, consecutive });
      },
    });
    const { signal } = this.#serving;
    // As many listen as there are builds, calls and reports; each stops when it is through.
    for (const control of [this.#serving, this.#reporting]) setMaxListeners(0, control.signal);
    this.#loops = [
      this.#guard(this.#heartbeat.run(signal)),
      this.#guard(this.#health.run(signal)),
      this.#guard(eventsLoop({ transport, clock, log, handle: (event) => this.#handle(event) }, signal)),
    ];
  }

  /** lock → journal → probe → sweep → register → adopt. Leaves nothing behind when it fails or is aborted. */
  static async open(
    base: Pick<Parts, 'options' | 'listener' | 'events' | 'clock' | 'log'>,
    signal: AbortSignal,
  ): Promise<Worker> {
    const { options, events, clock, log } = base;
    const state = await StateDir.open(options.stateDir);
    let executors: readonly Executor[] = [];
    let leftovers: readonly Leftover[] = [];
    try {
      const { entries, broken } = await state.journal.read();
      for (const file of broken) log.error({ file }, 'a journal entry cannot be read; its job is left to its lease');
      if (broken.length === 0) await state.sweepSpools(entries);
      const bindings = options.executors;
      ({ executors, leftovers } = await openExecutors({ entries, bindings, state, log, clock, events }, signal));
      const name = options.name ?? (await state.workerName());
      const instanceId = randomUUID();
      const registration = await register({ ...base, state, name, executors }, instanceId, signal);
      events.emit('worker:registered', { workerId: registration.workerId, name });
      const worker = new Worker({ ...base, state, name, executors }, registration, instanceId);
      await worker.#health.look();
      try {
        await adoptLeftovers(leftovers, worker.builds, registration, worker.#context);
        leftovers = [];
      } catch (error) {
        await worker.#stopLoops();
        throw error;
      }
      return worker;
    } catch (error) {
      await leaveAll(leftovers, log);
      await closeExecutors(executors, log);
      await state.close();
      throw error;
    }
  }

  startClaiming(): void {
    this.#claiming.allow('agent');
  }

  /** Offers that arrive in that moment go back. */
  stopClaiming(): Promise<void> {
    return this.#claiming.hold('agent');
  }

  /** Changes what the server matches jobs with, and how many builds run at once; running builds go on. */
  async update(patch: AgentPatch): Promise<void> {
    const { labels, maxConcurrent } = patch;
    if (labels) this.#labels = labels;
    if (maxConcurrent !== undefined) this.#slots.resize(maxConcurrent);
    await this.#parts.options.transport.update(
      { ...(labels && { labels: { ...labels } }), ...(maxConcurrent !== undefined && { maxConcurrent }) },
      this.#serving.signal,
    );
    this.#parts.events.emit('worker:updated', { labels: this.#labels, maxConcurrent: this.#slots.max });
  }

  get health(): Health {
    return this.#health.health;
  }

  spoolBytes = (): Promise<number> => this.#parts.state.spoolBytes();

  get facts(): WorkerFacts {
    const { options, name } = this.#parts;
    const { max, held, free } = this.#slots;
    const { disk, executors } = this.health;
    return {
      id: this.#registration.workerId,
      name,
      version: options.version ?? ownVersion,
      labels: this.#labels,
      slots: { max, held, free },
      claiming: this.#claiming.active,
      running: this.builds.status,
      ...(this.#lastClaim && { lastClaim: this.#lastClaim }),
      heartbeat: {
        ...(this.#lastBeat !== undefined && { lastAnswer: this.#lastBeat }),
        failedInRow: this.#failedBeats,
        everyMs: this.#registration.heartbeatMs,
      },
      ...(options.transport.retries !== undefined && { retries: options.transport.retries }),
      ...(disk && { disk: { ...disk, minFreeBytes: options.health.minFreeDiskBytes } }),
      executors,
      host: this.#hostUse,
    };
  }

  /** Gives up telling the server of ended builds; the next start goes on. */
  stopReporting(): void {
    this.#reporting.abort(new RitmoError('RITMO_AGENT_STOPPING', 'The agent is stopping.'));
  }

  /** Ends the loops, deregisters where `deregister`, and gives everything back. Builds must have ended. Idempotent. */
  close(deregister: boolean): Promise<void> {
    this.#closed ??= this.#close(deregister);
    return this.#closed;
  }

  async #close(deregister: boolean): Promise<void> {
    const { options, log, executors, state } = this.#parts;
    await this.stopClaiming();
    await this.#stopLoops();
    this.stopReporting();
    if (deregister) {
      await takeLeave(options.transport, log);
      // No build is left. What an executor could not remove while it failed goes now.
      if (this.#health.everFailed) await sweepAgain(executors, log);
    }
    await closeExecutors(executors, log);
    await closeAll(
      { transport: options.transport, 'artifact store': this.#artifacts, 'cache store': this.#caches },
      log,
    );
    await state.close();
  }

  async #stopLoops(): Promise<void> {
    this.#serving.abort();
    this.#watch[Symbol.dispose]();
    await Promise.all(this.#loops);
  }

  #guard(loop: Promise<void>): Promise<void> {
    return loop.catch((error: unknown) => this.#parts.listener.broken(error as Error));
  }

  #claim(signal: AbortSignal): Promise<void> {
    const { options, events, clock, log } = this.#parts;
    return claimLoop(
      {
        transport: options.transport,
        slots: this.#slots,
        waitMs: this.#registration.claimWaitMs,
        clock,
        log,
        answered: (offers) => {
          this.#lastClaim = { at: new Date(clock.now()).toISOString(), offers };
          events.emit('claim:answered', { offers });
        },
        take: (offer, slot) => this.#take(offer, slot),
        release: (offer) => this.#release(offer, 'RITMO_AGENT_STOPPING', 'The worker takes no new jobs.'),
      },
      signal,
    );
  }

  #reserve(job: Job, runs: boolean): Disposable {
    const { executors } = this.#parts;
    if (runs) return this.#room.promise(limitsOf(job, this.#context.policy));
    const name = job.isolation ?? executors[0]?.name;
    if (name !== undefined && executors.some((executor) => executor.name === name) && !this.#health.canUse(name)) {
      throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The ${name} executor of this worker cannot work now.`);
    }
    return this.#room.take(limitsOf(job, this.#context.policy));
  }

  #healthChanged(health: Health): void {
    const { log, events, options, executors } = this.#parts;
    const { reasons } = health;
    if (reasons.length > 0) {
      log.warn({ reasons }, `the worker is unhealthy and claims nothing: ${reasons.join(' ')}`);
      void this.#claiming.hold('health');
    } else {
      log.info({}, 'the worker is healthy and takes jobs');
      this.#claiming.allow('health');
    }
    events.emit('worker:health', { reasons });
    // The server hears at once, and matches no job with an executor that is down.
    this.#heartbeat.now();
    const isolation = isolationOffers(executors, (name) => this.#health.canUse(name));
    if (executors.length < 2 || isolation.length === 0) return;
    const { signal } = this.#serving;
    options.transport.update({ isolation }, signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, 'the server was not told which executors work');
    });
  }

  #status(): WorkerStatus {
    this.#hostUse = hostUse(this.#cpu.look(), this.#health.health.disk);
    const mark = this.#watch.mark();
    const held = this.builds.held;
    this.#asked = { mark, held };
    return {
      instanceId: this.#instanceId,
      state: this.#parts.listener.state(),
      reasons: [...this.#health.health.reasons],
      running: held.map((build) => build.status),
      host: this.#hostUse,
    };
  }

  #answered({ jobs, command }: HeartbeatAnswer): void {
    for (const { jobId, epoch, verdict, cancel } of jobs) {
      const build = this.builds.find(jobId, epoch);
      if (!build) continue;
      if (verdict === 'fenced' || this.#unknownForTtl(build, verdict)) build.fence();
      if (verdict === 'keep' || verdict === 'cancel') {
        if (this.#asked?.held.includes(build)) this.#watch.renewed(build, this.#asked.mark);
      }
      if (cancel) build.cancel(cancel);
    }
    if (command) this.#parts.listener.command(command);
  }

  /** A server that was set back to an older state takes nothing of such a build, ever. */
  #unknownForTtl(build: Held, verdict: HeartbeatAnswer['jobs'][number]['verdict']): boolean {
    const now = this.#parts.clock.monotonic();
    const since = verdict === 'unknown' ? (this.#unknownSince.get(build) ?? now) : now;
    this.#unknownSince.set(build, since);
    return now - since >= build.lease.ttlMs;
  }

  #handle(event: WorkerEvent): void {
    if (event.type === 'cancel') {
      const { jobId, epoch, reason, graceMs } = event;
      this.builds.find(jobId, epoch)?.cancel({ reason, graceMs });
    } else {
      this.#parts.listener.command(event.type);
    }
  }

  /** A server that was set back to an older state may offer an attempt that runs here already: neither is the one it means. */
  #take(offer: Offer, slot: number): void {
    const { jobId, epoch } = offer.lease;
    const held = this.builds.find(jobId, epoch);
    if (!held) {
      this.builds.start(offer, slot, this.#context);
      return;
    }
    held.fence();
    this.#slots.give(slot, true);
    void this.#release(offer, 'RITMO_CONFLICT', 'This attempt of the job runs here already, under an older lease.');
  }

  async #release(offer: Offer, code: Code, message: string): Promise<void> {
    const { options, log, events } = this.#parts;
    const { jobId, epoch, ttlMs } = offer.lease;
    try {
      await options.transport.release(
        { jobId, epoch, ttlMs, token: offer.jobToken },
        { code, message },
        AbortSignal.timeout(10_000),
      );
      events.emit('job:released', { jobId, epoch, code });
    } catch (error) {
      log.warn({ err: error, job: jobId }, 'an offer could not be handed back; it runs out by itself');
    }
  }
}

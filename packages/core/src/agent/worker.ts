import {
  type HeartbeatAnswer,
  type Offer,
  protocolVersion,
  type Registration,
  type WorkerEvent,
  type WorkerInfo,
  type WorkerStatus,
} from '@ritmo/protocol';
import { randomUUID } from 'node:crypto';
import { apiArtifactStore } from '../artifact/index.js';
import type { ArtifactStore } from '../artifact/store.js';
import type { BuildContext } from '../build/context.js';
import { RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor } from '../executor/plugin.js';
import { StateDir } from '../journal/state-dir.js';
import { version as ownVersion } from '../version.js';
import { Builds } from './builds.js';
import { claimLoop } from './claim-loop.js';
import type { SafeEmitter } from './events.js';
import { eventsLoop } from './events-loop.js';
import { Heartbeat } from './heartbeat.js';
import { hostInfo, hostLoad } from './host-info.js';
import { LeaseWatch } from './lease-watch.js';
import { closeExecutors, openExecutors } from './open-executors.js';
import type { CheckedOptions } from './options.js';
import { adoptLeftovers } from './recover.js';
import { Slots } from './slots.js';

/** What the agent is told by its worker. */
export interface WorkerListener {
  /** What heartbeats say. */
  readonly state: () => WorkerStatus['state'];
  /** The server's wish for the whole worker. */
  readonly command: (command: 'pause' | 'resume' | 'drain') => void;
  /** A loop ended with an error that ends the agent. */
  readonly broken: (error: Error) => void;
}

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
  readonly #slots: Slots;
  readonly #watch: LeaseWatch;
  readonly #heartbeat: Heartbeat;
  readonly #serving = new AbortController();
  readonly #reporting = new AbortController();
  #claiming = new AbortController();
  #claims: Promise<void> = Promise.resolve();
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
    this.#artifacts = options.artifacts ?? (transport.artifacts ? apiArtifactStore(transport) : undefined);
    this.#slots = new Slots(options.maxConcurrent);
    this.#watch = new LeaseWatch(clock, () => this.#heartbeat.now());
    this.builds = new Builds(this.#slots, this.#watch);
    this.#context = {
      transport,
      executors,
      artifacts: this.#artifacts,
      policy: options.policy as BuildContext['policy'],
      secrets: options.secrets,
      state,
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
      answered: (answer) => this.#answered(answer),
      failed: (error, consecutive) => events.emit('heartbeat:failed', { error, consecutive }),
    });
    const { signal } = this.#serving;
    this.#loops = [
      this.#guard(this.#heartbeat.run(signal)),
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
    try {
      const { entries, broken } = await state.journal.read();
      for (const file of broken) log.error({ file }, 'a journal entry cannot be read; its job is left to its lease');
      executors = await openExecutors(
        { bindings: options.executors, state, log, clock, emit: (event, payload) => events.emit(event, payload) },
        signal,
      );
      const name = options.name ?? (await state.workerName());
      const instanceId = randomUUID();
      const registration = await register({ ...base, state, name, executors }, instanceId, signal);
      events.emit('worker:registered', { workerId: registration.workerId, name });
      const worker = new Worker({ ...base, state, name, executors }, registration, instanceId);
      try {
        for (const told of await adoptLeftovers(entries, registration, worker.#context)) worker.builds.track(told);
      } catch (error) {
        await worker.#stopLoops();
        throw error;
      }
      return worker;
    } catch (error) {
      await closeExecutors(executors, log);
      await state.close();
      throw error;
    }
  }

  startClaiming(): void {
    const { options, clock, log } = this.#parts;
    this.#claiming = new AbortController();
    this.#claims = this.#guard(
      claimLoop(
        {
          transport: options.transport,
          slots: this.#slots,
          waitMs: this.#registration.claimWaitMs,
          clock,
          log,
          take: (offer, slot) => void this.builds.start(offer, slot, this.#context),
          release: (offer) => this.#release(offer),
        },
        this.#claiming.signal,
      ),
    );
  }

  /** Offers that arrive in that moment go back. */
  async stopClaiming(): Promise<void> {
    this.#claiming.abort();
    await this.#claims;
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
      try {
        await options.transport.deregister(AbortSignal.timeout(5_000));
      } catch (error) {
        log.warn({ err: error }, 'the server could not be told that this worker leaves');
      }
    }
    await closeExecutors(executors, log);
    await options.transport[Symbol.asyncDispose]();
    await this.#artifacts?.[Symbol.asyncDispose]();
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

  #status(): WorkerStatus {
    const mark = this.#watch.mark();
    const held = this.builds.held;
    this.#asked = { mark, held };
    return {
      instanceId: this.#instanceId,
      state: this.#parts.listener.state(),
      reasons: [],
      running: held.map((build) => build.status),
      host: hostLoad(),
    };
  }

  #answered({ jobs, command }: HeartbeatAnswer): void {
    for (const { jobId, epoch, verdict, cancel } of jobs) {
      const build = this.builds.find(jobId, epoch);
      if (!build) continue;
      if (verdict === 'fenced') build.fence();
      if (verdict === 'keep' || verdict === 'cancel') {
        if (this.#asked?.held.includes(build)) this.#watch.renewed(build, this.#asked.mark);
      }
      if (cancel) build.cancel(cancel);
    }
    if (command) this.#parts.listener.command(command);
  }

  #handle(event: WorkerEvent): void {
    if (event.type === 'cancel') {
      const { jobId, epoch, reason, graceMs } = event;
      this.builds.find(jobId, epoch)?.cancel({ reason, graceMs });
    } else {
      this.#parts.listener.command(event.type);
    }
  }

  async #release(offer: Offer): Promise<void> {
    const { options, log, events } = this.#parts;
    const { jobId, epoch, ttlMs } = offer.lease;
    const code = 'RITMO_AGENT_STOPPING';
    try {
      await options.transport.release(
        { jobId, epoch, ttlMs, token: offer.jobToken },
        { code, message: 'The worker takes no new jobs.' },
        AbortSignal.timeout(10_000),
      );
      events.emit('job:released', { jobId, epoch, code });
    } catch (error) {
      log.warn({ err: error, job: jobId }, 'an offer could not be handed back; it runs out by itself');
    }
  }
}

async function register(parts: Parts, instanceId: string, signal: AbortSignal): Promise<Registration> {
  const { options, state, name, executors } = parts;
  const { transport } = options;
  const resumeKey = await state.resumeKey(transport.name, name);
  const info: WorkerInfo = {
    name,
    instanceId,
    ...(resumeKey !== undefined && { resumeKey }),
    labels: options.labels,
    maxConcurrent: options.maxConcurrent,
    isolation: executors.map(({ name: isolation, capabilities }, index) => ({
      name: isolation,
      default: index === 0,
      capabilities: {
        ...capabilities,
        network: [...capabilities.network],
        limits: [...capabilities.limits],
        os: [...capabilities.os],
        arch: [...capabilities.arch],
      },
    })),
    host: await hostInfo(state.path),
    agentVersion: options.version ?? ownVersion,
    protocol: { min: protocolVersion, max: protocolVersion },
    jobVersions: [1],
  };
  const registration = await transport.register(info, signal);
  await state.keepResumeKey(transport.name, name, registration.resumeKey);
  return registration;
}

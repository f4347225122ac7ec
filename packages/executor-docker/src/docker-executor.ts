import {
  type Clock,
  type Executor,
  type ExecutorCapabilities,
  isSandboxId,
  type Logger,
  OpenSandboxes,
  type PrepareScope,
  type ProbeReport,
  type RecoverOutcome,
  RitmoError,
  type Sandbox,
  type SandboxId,
  type SandboxRecord,
  type SandboxRequest,
  type SweepReport,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import type { Daemon } from './docker/address.js';
import { asRitmoError } from './docker/error.js';
import type { Images } from './image/images.js';
import type { ImageOf } from './job/job-host.js';
import { stateVersion } from './job/job.js';
import { refuseUnsupported } from './refuse.js';
import type { Way, WayJob } from './way/way.js';

const executorName = 'docker';

export interface DockerExecutorSettings {
  readonly daemon: Daemon;
  readonly way: Way;
  readonly clock: Clock;
  readonly log: Logger;
  readonly images: Images;
  readonly imageOf: ImageOf;
  /** How often strays are looked for, in milliseconds. */
  readonly sweepMs: number;
  readonly capabilities: ExecutorCapabilities;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** What is weaker here than it could be, in sentences. */
  readonly warnings: readonly string[];
}

/** Jobs as containers of a Docker daemon. */
export class DockerExecutor implements Executor {
  readonly name = executorName;
  readonly capabilities: ExecutorCapabilities;
  readonly #settings: DockerExecutorSettings;
  /** Present exactly where jobs can be taken up. */
  readonly recover?: (record: SandboxRecord, scope: PrepareScope) => Promise<RecoverOutcome>;
  readonly #jobs = new OpenSandboxes<WayJob>();
  readonly #volumes = new WeakMap<WorkspaceVolume, WayJob>();
  /** Jobs that were left to the agent after this one. */
  #detached = 0;
  #disposed: Promise<void> | undefined;
  #swept = false;
  readonly #closing = new AbortController();
  readonly #watching: Promise<void>;

  constructor(settings: DockerExecutorSettings) {
    this.#settings = settings;
    this.capabilities = settings.capabilities;
    const { recover } = settings.way;
    if (recover !== undefined) this.recover = (record, scope) => this.#recover(recover, record, scope);
    this.#watching = this.#watchStrays();
  }

  async probe(signal: AbortSignal): Promise<ProbeReport> {
    const { daemon, facts, warnings, way } = this.#settings;
    const all = { ...facts, networks: this.capabilities.network.join(','), jobs: this.#jobs.size };
    try {
      await daemon.client.info(signal);
    } catch (error) {
      signal.throwIfAborted();
      const detail = `The Docker daemon at ${daemon.address} does not answer any more: ${RitmoError.from(error).message}. Start it again.`;
      return { health: 'unavailable', detail, facts: all };
    }
    const problem = way.problem();
    if (problem !== undefined) return { health: 'unavailable', detail: problem, facts: all };
    if (warnings.length > 0) return { health: 'degraded', detail: warnings.join(' '), facts: all };
    const { engine, version } = daemon.info;
    const detail = `${engine} ${version} at ${daemon.address} was tried, and runs jobs.`;
    return { health: 'healthy', detail, facts: all };
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume> {
    const { images, imageOf } = this.#settings;
    this.#refuse(request);
    images.check(imageOf(request));
    for (const { image } of request.services) images.check(image);
    scope.signal.throwIfAborted();
    const job = this.#newJob(request);
    try {
      job.makeRoot();
      await scope.record(job.record(executorName));
      scope.signal.throwIfAborted();
      const volume = await job.allocate(scope);
      this.#volumes.set(volume, job);
      scope.signal.throwIfAborted();
      return volume;
    } catch (error) {
      await this.#giveUp(job);
      throw asRitmoError(error);
    }
  }

  async prepare(request: SandboxRequest, volume: WorkspaceVolume, scope: PrepareScope): Promise<Sandbox> {
    this.#refuse(request);
    const job = this.#volumes.get(volume);
    if (job === undefined || job.id !== request.sandboxId) {
      throw new RitmoError('RITMO_INTERNAL', `The volume was not allocated for sandbox ${request.sandboxId}.`);
    }
    try {
      scope.signal.throwIfAborted();
      job.assertUsable();
      await job.start(scope);
      scope.signal.throwIfAborted();
      return this.#sandbox(job);
    } catch (error) {
      await this.#giveUp(job);
      throw asRitmoError(error);
    }
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    this.#swept = true;
    return await this.#jobs.sweep(await this.#settings.way.found(), keep, signal, (id) =>
      this.#settings.way.remove(id),
    );
  }

  async #recover(
    recover: NonNullable<Way['recover']>,
    record: SandboxRecord,
    scope: PrepareScope,
  ): Promise<RecoverOutcome> {
    scope.signal.throwIfAborted();
    const id = record.sandboxId;
    const gone = { outcome: 'gone' } as const;
    if (record.executor !== executorName || record.stateVersion !== stateVersion || !isSandboxId(id)) return gone;
    this.#jobs.assertFree(id);
    try {
      const adopted = await recover(id, (job) => this.#jobs.delete(id, job));
      if (adopted === undefined) return gone;
      const { job, runningStep } = adopted;
      this.#jobs.add(id, job);
      return { outcome: 'adopted', sandbox: this.#sandbox(job), ...(runningStep !== undefined && { runningStep }) };
    } catch (error) {
      throw asRitmoError(error);
    }
  }

  /**
   * Removes what is ours and open nowhere, once it was seen at two looks: what is being made has its time. What could
   * not be removed when its build ended is tried again.
   */
  async #watchStrays(): Promise<void> {
    const { clock, log, way, sweepMs } = this.#settings;
    const { signal } = this.#closing;
    let seen = new Set<string>();
    while (await passed(clock, sweepMs, signal)) {
      try {
        // Nothing is a stray before the sweep of the start has told what is kept.
        const found = this.#swept ? (await way.found()).filter((name) => isSandboxId(name)) : [];
        const strays = new Set(found.filter((id) => !this.#jobs.has(id)));
        const twice = [...strays].filter((id) => seen.has(id)).concat(this.#stuck());
        const others = new Set([...this.#jobs.ids(), ...found].filter((id) => !twice.includes(id)));
        if (twice.length > 0) {
          const { removed, failed } = await this.#jobs.sweep(twice, others, signal, (id) => way.remove(id));
          log.warn({ removed, failed }, 'sandboxes that belong to no build were removed');
        }
        seen = strays;
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'strays could not be looked for');
      }
    }
  }

  /** Jobs whose builds are over and that could not be removed then: with a daemon that was away, say. */
  #stuck(): SandboxId[] {
    return [...this.#jobs.ids()].filter((id) => this.#jobs.get(id)?.stuck === true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  /** Removes what was made of a job that failed. What cannot be removed now is left to the next sweep. */
  async #giveUp(job: WayJob): Promise<void> {
    try {
      await job[Symbol.asyncDispose]();
    } catch (error) {
      this.#settings.log.error({ sandboxId: job.id, error: String(error) }, 'A sandbox could not be removed');
    }
  }

  #refuse(request: SandboxRequest): void {
    if (this.#disposed !== undefined) throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The executor is closed.');
    refuseUnsupported(request, this.capabilities, this.#settings.daemon.info);
  }

  #newJob(request: SandboxRequest): WayJob {
    this.#jobs.assertFree(request.sandboxId);
    const job = this.#settings.way.newJob(request, (disposed) => this.#jobs.delete(disposed.id, disposed));
    this.#jobs.add(request.sandboxId, job);
    return job;
  }

  #sandbox(job: WayJob): Sandbox {
    return job.sandbox(this.#describe(job), () => {
      this.#jobs.delete(job.id, job);
      this.#detached += 1;
    });
  }

  #describe(job: WayJob): string {
    const { engine, version } = this.#settings.daemon.info;
    const { network, profile, limits } = job.request;
    const { uid } = job.user;
    const who = uid === 0 ? "the image's root, without capabilities that no build needs" : `user ${uid}`;
    const unlimited = (['cpus', 'memoryBytes', 'diskBytes'] as const).filter((name) => limits[name] === undefined);
    const without = unlimited.map((name) => name.replace('Bytes', '')).join(', ');
    const note = without === '' ? '' : `; no limit of ${without}`;
    return `container: ${engine} ${version}, profile ${profile}, ${who}, network ${network}${note}`;
  }

  /** Each part on its own: what cannot be removed, as with a daemon that is gone, keeps nothing else. */
  async #dispose(): Promise<void> {
    await this.#watching;
    const ended: PromiseSettledResult<unknown>[] = await this.#jobs.disposeAll();
    ended.push(...(await this.#settings.way.close({ open: this.#jobs.size, detached: this.#detached })));
    const failed = ended.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw RitmoError.from(failed.reason, 'RITMO_CLEANUP_FAILED');
  }
}

/** False when aborted. */
async function passed(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return !signal.aborted;
  } catch {
    return false;
  }
}

import { readdirSync, statSync } from 'node:fs';
import {
  type Clock,
  type Executor,
  type ExecutorCapabilities,
  isSandboxId,
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
import { type MemoryFolder, unlessErrno, type UserPool } from '@ritmo/host-linux';
import type { Daemon } from './docker/address.js';
import { asRitmoError } from './docker/error.js';
import { jobFolders } from './job/folders.js';
import { Job, stateVersion } from './job/job.js';
import type { JobHost } from './job/job-host.js';
import { labelNames, labelsOf } from './job/names.js';
import { removeFolders, removeLabelled } from './job/remove.js';
import { DockerSandbox } from './job/sandbox.js';
import { JobVolume } from './job/volume.js';
import { refuseUnsupported } from './refuse.js';

const executorName = 'docker';

export interface DockerExecutorSettings {
  readonly daemon: Daemon;
  readonly jobs: JobHost;
  readonly capabilities: ExecutorCapabilities;
  /** Where the folders of jobs lie. */
  readonly sandboxes: string;
  readonly memory: MemoryFolder;
  readonly pool: UserPool;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** What is weaker here than it could be, in sentences. */
  readonly warnings: readonly string[];
}

/** Jobs as containers of a Docker daemon. */
export class DockerExecutor implements Executor {
  readonly name = executorName;
  readonly capabilities: ExecutorCapabilities;
  readonly #settings: DockerExecutorSettings;
  readonly #jobs = new OpenSandboxes<Job>();
  /** Jobs that were left to the agent after this one. */
  #detached = 0;
  #disposed: Promise<void> | undefined;
  #swept = false;
  readonly #closing = new AbortController();
  readonly #watching: Promise<void>;

  constructor(settings: DockerExecutorSettings) {
    this.#settings = settings;
    this.capabilities = settings.capabilities;
    this.#watching = this.#watchStrays();
  }

  async probe(signal: AbortSignal): Promise<ProbeReport> {
    const { daemon, facts, warnings, sandboxes } = this.#settings;
    const all = { ...facts, networks: this.capabilities.network.join(','), jobs: this.#jobs.size };
    try {
      await daemon.client.info(signal);
    } catch (error) {
      signal.throwIfAborted();
      const detail = `The Docker daemon at ${daemon.address} does not answer any more: ${RitmoError.from(error).message}. Start it again.`;
      return { health: 'unavailable', detail, facts: all };
    }
    if (unlessErrno(['ENOENT', 'ENOTDIR', 'EACCES'], () => statSync(sandboxes)) === undefined) {
      return { health: 'unavailable', detail: `${sandboxes} is gone; start the agent again.`, facts: all };
    }
    if (warnings.length > 0) return { health: 'degraded', detail: warnings.join(' '), facts: all };
    const detail = `Docker ${daemon.info.version} at ${daemon.address} was tried, and runs jobs.`;
    return { health: 'healthy', detail, facts: all };
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume> {
    const { jobs } = this.#settings;
    this.#refuse(request);
    jobs.images.check(jobs.imageOf(request));
    for (const { image } of request.services) jobs.images.check(image);
    scope.signal.throwIfAborted();
    const job = this.#newJob(request);
    try {
      job.makeRoot();
      await scope.record(job.record(executorName));
      scope.signal.throwIfAborted();
      await job.makeWorkspace(scope);
      scope.signal.throwIfAborted();
      return new JobVolume(job);
    } catch (error) {
      await this.#giveUp(job);
      throw asRitmoError(error);
    }
  }

  async prepare(request: SandboxRequest, volume: WorkspaceVolume, scope: PrepareScope): Promise<Sandbox> {
    this.#refuse(request);
    if (!(volume instanceof JobVolume) || volume.job.id !== request.sandboxId) {
      throw new RitmoError('RITMO_INTERNAL', `The volume was not allocated for sandbox ${request.sandboxId}.`);
    }
    const { job } = volume;
    try {
      scope.signal.throwIfAborted();
      job.assertUsable();
      await volume.closeTools();
      await job.start(scope);
      scope.signal.throwIfAborted();
      return this.#sandbox(job);
    } catch (error) {
      await this.#giveUp(job);
      throw asRitmoError(error);
    }
  }

  async recover(record: SandboxRecord, scope: PrepareScope): Promise<RecoverOutcome> {
    scope.signal.throwIfAborted();
    const id = record.sandboxId;
    const gone = { outcome: 'gone' } as const;
    if (record.executor !== executorName || record.stateVersion !== stateVersion || !isSandboxId(id)) return gone;
    try {
      const job: Job | undefined = await Job.recover(
        this.#settingsOf(id, () => job as Job),
        id,
      );
      if (job === undefined) return gone;
      this.#jobs.add(id, job);
      const runningStep = job.container.step?.id;
      return { outcome: 'adopted', sandbox: this.#sandbox(job), ...(runningStep !== undefined && { runningStep }) };
    } catch (error) {
      throw asRitmoError(error);
    }
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    this.#swept = true;
    return await this.#jobs.sweep(await this.#found(), keep, signal, (id) => this.#remove(id));
  }

  /**
   * Removes what is ours and open nowhere, once it was seen at two looks: what is being made has its time. What could
   * not be removed when its build ended is tried again.
   */
  async #watchStrays(): Promise<void> {
    const { jobs } = this.#settings;
    const { signal } = this.#closing;
    let seen = new Set<string>();
    while (await passed(jobs.clock, jobs.options.sweepMs, signal)) {
      try {
        // Nothing is a stray before the sweep of the start has told what is kept.
        const found = this.#swept ? (await this.#found()).filter((name) => isSandboxId(name)) : [];
        const strays = new Set(found.filter((id) => !this.#jobs.has(id)));
        const twice = [...strays].filter((id) => seen.has(id)).concat(this.#stuck());
        const others = new Set([...this.#jobs.ids(), ...found].filter((id) => !twice.includes(id)));
        if (twice.length > 0) {
          const { removed, failed } = await this.#jobs.sweep(twice, others, signal, (id) => this.#remove(id));
          jobs.log.warn({ removed, failed }, 'sandboxes that belong to no build were removed');
        }
        seen = strays;
      } catch (error) {
        if (!signal.aborted) jobs.log.warn({ err: error }, 'strays could not be looked for');
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
  async #giveUp(job: Job): Promise<void> {
    try {
      await job[Symbol.asyncDispose]();
    } catch (error) {
      this.#settings.jobs.log.error({ sandboxId: job.id, error: String(error) }, 'A sandbox could not be removed');
    }
  }

  #refuse(request: SandboxRequest): void {
    if (this.#disposed !== undefined) throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The executor is closed.');
    refuseUnsupported(request, this.capabilities, this.#settings.daemon.info);
  }

  #newJob(request: SandboxRequest): Job {
    const job: Job = new Job({ ...this.#settingsOf(request.sandboxId, () => job), request });
    this.#jobs.add(request.sandboxId, job);
    return job;
  }

  /** What every job is made with; `job` answers it once it is made. */
  #settingsOf(id: SandboxId, job: () => Job) {
    const { jobs, sandboxes, memory } = this.#settings;
    this.#jobs.assertFree(id);
    return {
      host: jobs,
      folders: jobFolders(sandboxes, memory.path, id),
      onDisposed: () => this.#jobs.delete(id, job()),
    };
  }

  #sandbox(job: Job): DockerSandbox {
    return new DockerSandbox(job, this.#describe(job), () => {
      this.#jobs.delete(job.id, job);
      this.#detached += 1;
    });
  }

  #describe(job: Job): string {
    const { network, profile, limits } = job.request;
    const { uid } = job.user;
    const who = uid === 0 ? "the image's root, without capabilities that no build needs" : `user ${uid}`;
    const unlimited = (['cpus', 'memoryBytes', 'diskBytes'] as const).filter((name) => limits[name] === undefined);
    const without = unlimited.map((name) => name.replace('Bytes', '')).join(', ');
    const note = without === '' ? '' : `; no limit of ${without}`;
    return `container: Docker ${this.#settings.daemon.info.version}, profile ${profile}, ${who}, network ${network}${note}`;
  }

  /** Names of what may be sandboxes of this installation: what has folders, containers or networks. */
  async #found(): Promise<string[]> {
    const { sandboxes, memory, daemon, jobs } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const label = `${labelNames.owner}=${jobs.ownerId}`;
    const [containers, networks] = await Promise.all([
      daemon.client.listContainers(label),
      daemon.client.listNetworks(label),
    ]);
    const labelled = [...containers, ...networks].flatMap(({ labels }) => labels[labelNames.sandbox] ?? []);
    return [...named, ...labelled];
  }

  async #remove(id: SandboxId): Promise<void> {
    const { sandboxes, memory, jobs } = this.#settings;
    await removeLabelled(jobs, id);
    await removeFolders(jobs, jobFolders(sandboxes, memory.path, id), labelsOf(jobs.ownerId, id, '', 'take-back'));
  }

  /** Each part on its own: what cannot be removed, as with a daemon that is gone, keeps nothing else. */
  async #dispose(): Promise<void> {
    const { jobs, memory, pool } = this.#settings;
    await this.#watching;
    const ended = await this.#jobs.disposeAll();
    // Jobs that are left go on behind the rules, and lie in memory, for the agent that takes them up or sweeps them.
    const left = this.#jobs.size + this.#detached > 0;
    if (this.#detached === 0) ended.push(...(await Promise.allSettled([jobs.networks?.close()])));
    if (!left) ended.push(...(await Promise.allSettled([memory[Symbol.asyncDispose]()])));
    await pool[Symbol.asyncDispose]();
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

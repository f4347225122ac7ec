import { readdirSync, statSync } from 'node:fs';
import {
  type EndedSandbox,
  type Executor,
  type ExecutorCapabilities,
  isSandboxId,
  OpenSandboxes,
  type PrepareScope,
  type ProbeReport,
  RitmoError,
  type Sandbox,
  type SandboxId,
  type SandboxRecord,
  type SandboxRequest,
  type SweepReport,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { type MemoryFolder, removeInstanceFolder, unlessErrno } from '@ritmo/host-linux';
import { judge } from './health.js';
import { EndedJob, leftFiles } from './job/ended-job.js';
import { jobFolders } from './job/folders.js';
import { Job } from './job/job.js';
import type { JobHost } from './job/job-host.js';
import { VmSandbox } from './job/sandbox.js';
import { endProcesses, endStrays, markedSandboxes } from './job/strays.js';
import { JobVolume } from './job/volume.js';
import { refuseUnsupported } from './refuse.js';
import { WarmPool } from './warm/warm-pool.js';

const executorName = 'vm';

export interface VmExecutorSettings {
  readonly jobs: JobHost;
  /** Where the folders of jobs lie. */
  readonly sandboxes: string;
  /** The folder of this open executor. */
  readonly instance: string;
  readonly memory: MemoryFolder;
  readonly cacheDir: string;
  readonly facts: ProbeReport['facts'];
}

/** Jobs as virtual machines of this host. */
export class VmExecutor implements Executor {
  readonly name = executorName;
  readonly capabilities: ExecutorCapabilities;
  readonly #settings: VmExecutorSettings;
  readonly #jobs = new OpenSandboxes<Job>();
  readonly #pool: WarmPool | undefined;
  #disposed: Promise<void> | undefined;

  constructor(settings: VmExecutorSettings) {
    this.#settings = settings;
    const { networks, cgroups, options } = settings.jobs;
    const { jobs: host, sandboxes } = settings;
    const size = options.warmMachines;
    this.#pool = size === 0 ? undefined : new WarmPool({ host, sandboxes, size });
    this.capabilities = {
      isolation: 'vm',
      defaultNetwork: networks === undefined ? 'none' : 'isolated',
      images: true,
      services: false,
      network: networks === undefined ? ['none'] : ['isolated', 'none'],
      limits: [...(cgroups?.limits.includes('cpu') === true ? (['cpu'] as const) : []), 'memory', 'pids', 'disk'],
      os: ['linux'],
      arch: ['x64'],
      separateStderr: true,
      recover: false,
    };
  }

  probe(signal: AbortSignal): Promise<ProbeReport> {
    const { sandboxes, facts, jobs, memory } = this.#settings;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (unlessErrno(['ENOENT', 'ENOTDIR', 'EACCES'], () => statSync(sandboxes)) === undefined) {
      const detail = `${sandboxes} is gone; start the agent again.`;
      return Promise.resolve({ health: 'unavailable', detail, facts });
    }
    return Promise.resolve(
      judge({
        jobs,
        memory,
        facts,
        capabilities: this.capabilities,
        running: this.#jobs.size,
        warm: this.#pool?.ready ?? 0,
      }),
    );
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume> {
    this.#refuse(request);
    this.#settings.jobs.images.check(request.image);
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
      throw error;
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
      await job.start(scope);
      scope.signal.throwIfAborted();
      return new VmSandbox(job);
    } catch (error) {
      await this.#giveUp(job);
      throw error;
    } finally {
      this.#pool?.refillSoon();
    }
  }

  async reopen({ sandboxId: id, stateVersion }: SandboxRecord, signal: AbortSignal): Promise<EndedSandbox | undefined> {
    signal.throwIfAborted();
    const { jobs, sandboxes, memory } = this.#settings;
    if (stateVersion !== 1 || !isSandboxId(id)) return undefined;
    const folders = jobFolders(sandboxes, memory.path, id);
    if (!leftFiles(folders)) return undefined;
    await endProcesses(jobs, id);
    return new EndedJob(id, folders);
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    return await this.#jobs.sweep(this.#found(), keep, signal, (id) => this.#remove(id));
  }

  [Symbol.asyncDispose](): Promise<void> {
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
    refuseUnsupported(request, this.capabilities);
  }

  #newJob(request: SandboxRequest): Job {
    const { jobs, sandboxes, memory } = this.#settings;
    const id = request.sandboxId;
    this.#jobs.assertFree(id);
    const job: Job = new Job({
      host: jobs,
      request,
      folders: jobFolders(sandboxes, memory.path, id),
      pool: this.#pool,
      onDisposed: () => this.#jobs.delete(id, job),
    });
    this.#jobs.add(id, job);
    return job;
  }

  /** Names of what may be sandboxes of this installation: what has folders or groups, or runs. */
  #found(): string[] {
    const { sandboxes, memory, jobs } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const grouped = jobs.cgroups?.names() ?? [];
    const warm = this.#pool?.ids;
    const found = [...named, ...markedSandboxes(jobs.ownerId), ...grouped];
    return found.filter((name) => name !== 'helper' && warm?.has(name) !== true);
  }

  async #remove(id: SandboxId): Promise<void> {
    const { jobs, sandboxes, memory } = this.#settings;
    await endStrays(jobs, id, jobFolders(sandboxes, memory.path, id));
  }

  async #dispose(): Promise<void> {
    const { jobs, memory, instance } = this.#settings;
    const [failed] = (await this.#jobs.disposeAll()).filter((result) => result.status === 'rejected');
    await this.#pool?.[Symbol.asyncDispose]();
    if (failed !== undefined) throw failed.reason;
    await jobs.templates[Symbol.asyncDispose]();
    // What a sandbox of another agent (not swept yet) has in memory stays.
    if ((unlessErrno(['ENOENT'], () => readdirSync(memory.path)) ?? []).length === 0)
      await memory[Symbol.asyncDispose]();
    await jobs.networks?.[Symbol.asyncDispose]();
    jobs.cgroups?.close();
    await removeInstanceFolder(instance);
    await jobs.users[Symbol.asyncDispose]();
  }
}

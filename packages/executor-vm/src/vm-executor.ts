import { readdirSync, statSync } from 'node:fs';
import {
  type Executor,
  type ExecutorCapabilities,
  type PrepareScope,
  type ProbeReport,
  RitmoError,
  type Sandbox,
  type SandboxId,
  type SandboxRequest,
  type SweepReport,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { type MemoryFolder, unlessErrno } from '@ritmo/host-linux';
import { judge } from './health.js';
import { removeInstanceFolder } from './instance-folder.js';
import { isSandboxId, jobFolders } from './job/folders.js';
import { Job } from './job/job.js';
import type { JobHost } from './job/job-host.js';
import { VmSandbox } from './job/sandbox.js';
import { endStrays, markedSandboxes } from './job/strays.js';
import { JobVolume } from './job/volume.js';
import { refuseUnsupported } from './refuse.js';

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
  readonly #jobs = new Map<SandboxId, Job>();
  #disposed: Promise<void> | undefined;

  constructor(settings: VmExecutorSettings) {
    this.#settings = settings;
    const { networks, cgroups } = settings.jobs;
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
    return Promise.resolve(judge({ jobs, memory, facts, capabilities: this.capabilities, running: this.#jobs.size }));
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
    }
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    const removed: SandboxId[] = [];
    const failed: Array<{ id: SandboxId; error: Error }> = [];
    for (const id of this.#strays(keep)) {
      signal.throwIfAborted();
      try {
        await this.#remove(id);
        removed.push(id);
      } catch (error) {
        failed.push({ id, error: RitmoError.from(error, 'RITMO_CLEANUP_FAILED') });
      }
    }
    return { removed, failed };
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
    if (!isSandboxId(request.sandboxId))
      throw new RitmoError('RITMO_INTERNAL', `"${request.sandboxId}" is no sandbox id.`);
  }

  #newJob(request: SandboxRequest): Job {
    const { jobs, sandboxes, memory } = this.#settings;
    const id = request.sandboxId;
    if (this.#jobs.has(id)) throw new RitmoError('RITMO_INTERNAL', `There is a sandbox ${id} already.`);
    const job: Job = new Job({
      host: jobs,
      request,
      folders: jobFolders(sandboxes, memory.path, id),
      onDisposed: () => {
        if (this.#jobs.get(id) === job) this.#jobs.delete(id);
      },
    });
    this.#jobs.set(id, job);
    return job;
  }

  /** Sandboxes of this installation: those that are open here, that have folders, or of which something runs. */
  #strays(keep: ReadonlySet<SandboxId>): Set<SandboxId> {
    const { sandboxes, memory, jobs } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const grouped = jobs.cgroups?.names() ?? [];
    const ids = new Set(
      [...this.#jobs.keys(), ...named, ...markedSandboxes(jobs.ownerId), ...grouped].filter(isSandboxId),
    );
    ids.delete('helper');
    for (const id of keep) ids.delete(id);
    return ids;
  }

  async #remove(id: SandboxId): Promise<void> {
    const open = this.#jobs.get(id);
    if (open !== undefined) {
      await open[Symbol.asyncDispose]();
      return;
    }
    const { jobs, sandboxes, memory } = this.#settings;
    await endStrays(jobs, id, jobFolders(sandboxes, memory.path, id));
  }

  async #dispose(): Promise<void> {
    const { jobs, memory, instance } = this.#settings;
    await Promise.all([...this.#jobs.values()].map((job) => job[Symbol.asyncDispose]()));
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

import { readdirSync, statSync } from 'node:fs';
import type {
  PrepareScope,
  Sandbox,
  SandboxId,
  SandboxRecord,
  SandboxRequest,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { type MemoryFolder, type Owner, unlessErrno, type UserPool } from '@ritmo/host-linux';
import { jobFolders } from '../../job/folders.js';
import { Job } from '../../job/job.js';
import type { JobHost } from '../../job/job-host.js';
import { labelNames, labelsOf } from '../../job/names.js';
import { removeFolders, removeLabelled } from '../../job/remove.js';
import { DockerSandbox } from '../../job/sandbox.js';
import { JobVolume } from '../../job/volume.js';
import type { Adopted, Way, WayJob } from '../way.js';

export interface FifoWaySettings {
  readonly jobs: JobHost;
  /** Where the folders of jobs lie. */
  readonly sandboxes: string;
  readonly memory: MemoryFolder;
  readonly pool: UserPool;
}

/** Jobs whose folders are bound into their containers, and whose steps are asked for and heard over FIFOs in them. */
export class FifoWay implements Way {
  readonly name = 'fifo';
  readonly #settings: FifoWaySettings;

  constructor(settings: FifoWaySettings) {
    this.#settings = settings;
  }

  newJob(request: SandboxRequest, onDisposed: (job: WayJob) => void): WayJob {
    const job: FifoJob = new FifoJob(
      new Job({ ...this.#settingsOf(request.sandboxId), request, onDisposed: () => onDisposed(job) }),
    );
    return job;
  }

  readonly recover = async (id: SandboxId, onDisposed: (job: WayJob) => void): Promise<Adopted | undefined> => {
    const wrapped: { job?: FifoJob } = {};
    const gone = () => wrapped.job !== undefined && onDisposed(wrapped.job);
    const job = await Job.recover({ ...this.#settingsOf(id), onDisposed: () => void gone() }, id);
    if (job === undefined) return undefined;
    wrapped.job = new FifoJob(job);
    return { job: wrapped.job, runningStep: job.container.step?.id };
  };

  async found(): Promise<string[]> {
    const { sandboxes, memory, jobs } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const label = `${labelNames.owner}=${jobs.ownerId}`;
    const [containers, networks] = await Promise.all([
      jobs.docker.listContainers(label),
      jobs.docker.listNetworks(label),
    ]);
    return [...named, ...[...containers, ...networks].flatMap(({ labels }) => labels[labelNames.sandbox] ?? [])];
  }

  async remove(id: SandboxId): Promise<void> {
    const { sandboxes, memory, jobs } = this.#settings;
    await removeLabelled(jobs, id);
    await removeFolders(jobs, jobFolders(sandboxes, memory.path, id), labelsOf(jobs.ownerId, id, '', 'take-back'));
  }

  problem(): string | undefined {
    const { sandboxes } = this.#settings;
    const there = unlessErrno(['ENOENT', 'ENOTDIR', 'EACCES'], () => statSync(sandboxes));
    return there === undefined ? `${sandboxes} is gone; start the agent again.` : undefined;
  }

  async close({ open, detached }: { readonly open: number; readonly detached: number }) {
    const { jobs, memory, pool } = this.#settings;
    const ended: PromiseSettledResult<unknown>[] = [];
    // Jobs that are left go on behind the rules, and lie in memory, for the agent that takes them up or sweeps them.
    if (detached === 0) ended.push(...(await Promise.allSettled([jobs.networks?.close()])));
    if (open + detached === 0) ended.push(...(await Promise.allSettled([memory[Symbol.asyncDispose]()])));
    ended.push(...(await Promise.allSettled([pool[Symbol.asyncDispose]()])));
    return ended;
  }

  #settingsOf(id: SandboxId) {
    const { jobs, sandboxes, memory } = this.#settings;
    return { host: jobs, folders: jobFolders(sandboxes, memory.path, id) };
  }
}

class FifoJob implements WayJob {
  readonly #job: Job;
  #volume: JobVolume | undefined;

  constructor(job: Job) {
    this.#job = job;
  }

  get id(): SandboxId {
    return this.#job.id;
  }

  get request(): SandboxRequest {
    return this.#job.request;
  }

  get user(): Owner {
    return this.#job.user;
  }

  get stuck(): boolean {
    return this.#job.stuck;
  }

  makeRoot(): void {
    this.#job.makeRoot();
  }

  record(executor: string): SandboxRecord {
    return this.#job.record(executor);
  }

  async allocate(scope: PrepareScope): Promise<WorkspaceVolume> {
    await this.#job.makeWorkspace(scope);
    this.#volume = new JobVolume(this.#job);
    return this.#volume;
  }

  async start(scope: PrepareScope): Promise<void> {
    await this.#volume?.closeTools();
    await this.#job.start(scope);
  }

  sandbox(description: string, detached: () => void): Sandbox {
    return new DockerSandbox(this.#job, description, detached);
  }

  assertUsable(): void {
    this.#job.assertUsable();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }
}

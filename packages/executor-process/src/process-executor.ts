import { readdirSync, statSync } from 'node:fs';
import {
  type EndedSandbox,
  type Executor,
  type ExecutorCapabilities,
  type ExecutorHost,
  isSandboxId,
  OpenSandboxes,
  type PrepareScope,
  type ProbeReport,
  type ResourceLimits,
  RitmoError,
  type Sandbox,
  type SandboxId,
  type SandboxRecord,
  type SandboxRequest,
  type SweepReport,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import {
  type Cgroup,
  type Cgroups,
  type JobNetwork,
  listProcesses,
  type MemoryFolder,
  type Networks,
  type Owner,
  removeGroup,
  removeInstanceFolder,
  removeTree,
  smallestLoopVolume,
  unlessErrno,
  unmountBelow,
  type UserPool,
} from '@ritmo/host-linux';
import { type DiskKind, JobDisk } from './disk/job-disk.js';
import { judge } from './health.js';
import { EndedJob, findWorkspace } from './job/ended-job.js';
import { jobFolders } from './job/folders.js';
import { Job } from './job/job.js';
import { ProcessSandbox } from './job/sandbox.js';
import { endStrays, markedSandboxes } from './job/strays.js';
import { isRoot, takeUser } from './job/user.js';
import { JobVolume } from './job/volume.js';
import type { SharedPaths } from './mounts/shared-paths.js';
import type { ResolvedOptions } from './options.js';
import { limitsInWords, refuseUnsupported } from './refuse.js';
import type { CommandHost } from './step/run-command.js';
import { trySandbox } from './trial.js';

const executorName = 'process';
const trialMs = 60_000;
const markName = 'RITMO_SANDBOX';
/** Processes of a command that are ours: the deadline, bubblewrap, the first of the job's pid namespace, the launcher. */
const ownProcesses = 4;

export interface ProcessExecutorSettings {
  readonly host: ExecutorHost;
  readonly options: ResolvedOptions;
  /** Where the folders of jobs lie. */
  readonly sandboxes: string;
  readonly memory: MemoryFolder;
  /** The folder of this open executor: pipes and mounts. */
  readonly instance: string;
  readonly shared: SharedPaths;
  readonly users: UserPool;
  /** Undefined where this host has no control groups for us. */
  readonly cgroups: Cgroups | undefined;
  readonly disk: DiskKind;
  /** Undefined where `isolated` cannot be had. */
  readonly networks: Networks | undefined;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly commands: CommandHost;
}

/** Jobs as processes of this host. */
export class ProcessExecutor implements Executor {
  readonly name = executorName;
  readonly capabilities: ExecutorCapabilities;
  readonly #settings: ProcessExecutorSettings;
  readonly #jobs = new OpenSandboxes<Job>();
  #disposed: Promise<void> | undefined;

  constructor(settings: ProcessExecutorSettings) {
    this.#settings = settings;
    const { level } = settings.commands;
    this.capabilities = {
      isolation: level.name === 'sandbox' ? 'namespace' : 'none',
      // The best that confines and still lets a build fetch what it needs.
      defaultNetwork: level.networks[0] ?? 'none',
      images: false,
      services: false,
      network: level.networks,
      // What the bare level writes may lie anywhere.
      limits: [...(settings.cgroups?.limits ?? []), ...(level.name === 'sandbox' ? (['disk'] as const) : [])],
      os: [process.platform === 'darwin' ? 'darwin' : 'linux'],
      arch: process.arch === 'x64' || process.arch === 'arm64' ? [process.arch] : [],
      separateStderr: true,
      recover: false,
    };
  }

  /** Runs one command as a job would; rejects with RITMO_EXECUTOR_UNAVAILABLE when that does not work. */
  async tryOut(): Promise<void> {
    const { host } = this.#settings;
    const id = `trial-${process.pid}-${Date.now().toString(36)}`;
    await using job = await this.#newJob({
      sandboxId: id,
      slot: 0,
      network: this.capabilities.defaultNetwork,
      limits: {},
      deadlineMs: trialMs,
    });
    host.log.debug({ sandboxId: id }, 'Trying the sandbox');
    job.makeRoot();
    await job.make(AbortSignal.timeout(20_000));
    await trySandbox(job);
  }

  probe(signal: AbortSignal): Promise<ProbeReport> {
    const { facts, memory, commands, sandboxes, options } = this.#settings;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const all = {
      ...facts,
      ...(isRoot() ? { uidBase: options.uidBase } : {}),
      networks: this.capabilities.network.join(','),
      jobs: this.#jobs.size,
    };
    if (unlessErrno(['ENOENT', 'ENOTDIR', 'EACCES'], () => statSync(sandboxes)) === undefined) {
      return Promise.resolve({
        health: 'unavailable',
        detail: `${sandboxes} is gone; start the agent again.`,
        facts: all,
      });
    }
    return Promise.resolve(
      judge({
        level: commands.level.name,
        description: commands.level.describe('host'),
        capabilities: this.capabilities,
        memory,
        facts: all,
      }),
    );
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume> {
    this.#refuse(request);
    scope.signal.throwIfAborted();
    const job = await this.#newJob(request);
    try {
      job.makeRoot();
      await scope.record(job.record(executorName));
      scope.signal.throwIfAborted();
      await job.make(scope.signal);
      scope.signal.throwIfAborted();
      return new JobVolume(job, this.#settings.shared);
    } catch (error) {
      await job[Symbol.asyncDispose]();
      throw error;
    }
  }

  async prepare(request: SandboxRequest, volume: WorkspaceVolume, scope: PrepareScope): Promise<Sandbox> {
    this.#refuse(request);
    scope.signal.throwIfAborted();
    if (!(volume instanceof JobVolume) || volume.job.id !== request.sandboxId) {
      throw new RitmoError('RITMO_INTERNAL', `The volume was not allocated for sandbox ${request.sandboxId}.`);
    }
    volume.job.assertUsable();
    volume.job.makeAhead();
    return await Promise.resolve(new ProcessSandbox(volume.job, this.#describe(volume.job, request.limits)));
  }

  async reopen({ sandboxId: id, stateVersion }: SandboxRecord, signal: AbortSignal): Promise<EndedSandbox | undefined> {
    signal.throwIfAborted();
    const { sandboxes, memory, users } = this.#settings;
    if (stateVersion !== 1 || !isSandboxId(id)) return undefined;
    const found = findWorkspace(sandboxes, memory.path, id);
    // Without the user to itself, a job of another agent could still write there.
    if (found === undefined || (isRoot() && !(await users.takeOver(found.owner)))) return undefined;
    const giveBack = () => users.giveBack(found.owner);
    try {
      await this.#endAll(id, isRoot() ? found.owner.uid : 0);
    } catch (error) {
      giveBack();
      throw error;
    }
    return new EndedJob(id, found.folders, giveBack);
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    return await this.#jobs.sweep(this.#found(), keep, signal, (id) => this.#remove(id));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  #refuse(request: SandboxRequest): void {
    const { commands, disk } = this.#settings;
    refuseUnsupported(request, this.capabilities, {
      bare: commands.level.name === 'bare',
      leastDiskBytes: disk === 'loop' ? smallestLoopVolume : 0,
    });
    if (this.#disposed !== undefined) throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The executor is closed.');
  }

  async #newJob(
    request: Pick<SandboxRequest, 'sandboxId' | 'slot' | 'network' | 'limits' | 'deadlineMs' | 'steps'>,
  ): Promise<Job> {
    const { sandboxId: id, slot, network, limits } = request;
    const { commands, sandboxes, memory, options, host, users } = this.#settings;
    this.#jobs.assertFree(id);
    const user = await takeUser(users, slot);
    if (network === 'host') {
      await this.#settings.networks?.forget(user).catch((error: unknown) => {
        users.giveBack(user);
        throw error;
      });
    }
    const ownDisk = limits.diskBytes !== undefined && this.#settings.disk === 'loop';
    const folders = jobFolders(sandboxes, memory.path, id, ownDisk);
    const job: Job = new Job(commands, {
      id,
      user,
      network,
      folders,
      disk: new JobDisk({ kind: this.#settings.disk, folders, limits, clock: host.clock }),
      mark: this.#mark(id),
      toolPaths: options.toolPaths,
      group: this.#newGroup(user, id, limits),
      limits,
      deadlineMs: request.deadlineMs,
      steps: request.steps,
      openNetwork: network === 'isolated' ? (signal) => this.#openNetwork(user, signal) : undefined,
      log: host.log,
      onDisposed: () => {
        users.giveBack(user);
        this.#jobs.delete(id, job);
      },
    });
    this.#jobs.add(id, job);
    return job;
  }

  async #openNetwork(user: Owner, signal: AbortSignal): Promise<JobNetwork> {
    const { networks } = this.#settings;
    if (networks === undefined) throw new RitmoError('RITMO_INTERNAL', 'There are no isolated networks here.');
    return await networks.open(user, signal);
  }

  #newGroup(user: Owner, id: SandboxId, { cpus, memoryBytes, pids }: ResourceLimits): Cgroup | undefined {
    const { cgroups, users } = this.#settings;
    try {
      return cgroups?.create(id, {
        ...(cpus !== undefined && { cpus }),
        ...(memoryBytes !== undefined && { memoryBytes }),
        ...(pids !== undefined && { pids: pids + ownProcesses }),
      });
    } catch (error) {
      users.giveBack(user);
      const said = error instanceof Error ? error.message : String(error);
      throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The limits of the job are not accepted here: ${said}.`, {
        cause: error,
      });
    }
  }

  #describe(job: Job, limits: ResourceLimits): string {
    const { memory } = this.#settings;
    const where = {
      'tmpfs-noswap': '',
      ramfs: '',
      shm: ', secrets in memory that may be swapped',
      disk: ', secrets on disk',
    };
    const limited = this.capabilities.limits.length === 0 ? '' : limitsInWords(limits);
    return `${job.description}${limited}${memory.mayReachDisk ? where[memory.kind] : ''}`;
  }

  #mark(id: SandboxId): string {
    return `${markName}=${this.#settings.host.ownerId}/${id}`;
  }

  /** Names of what may be sandboxes of this installation: what has folders or groups, or runs. */
  #found(): string[] {
    const { sandboxes, memory, host } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const running = markedSandboxes(listProcesses(), `${markName}=${host.ownerId}/`);
    const grouped = this.#settings.cgroups?.names() ?? [];
    return [...named, ...running, ...grouped];
  }

  async #remove(id: SandboxId): Promise<void> {
    const { sandboxes, memory, users } = this.#settings;
    const folders = jobFolders(sandboxes, memory.path, id, false);
    const places = [folders, jobFolders(sandboxes, memory.path, id, true)].map(({ workspace }) => workspace);
    const uid = places.map((path) => unlessErrno(['ENOENT'], () => statSync(path))?.uid).find(Boolean) ?? 0;
    // By their user only while nobody else can have given it out.
    const owned = isRoot() && (await users.claim(uid));
    await this.#endAll(id, owned ? uid : 0);
    await unmountBelow(folders.root);
    await removeTree(folders.memory);
    await removeTree(folders.root);
  }

  /** Ends what still runs of a sandbox, by its user too where `uid` is not 0. */
  async #endAll(id: SandboxId, uid: number): Promise<void> {
    const { commands, host, cgroups } = this.#settings;
    if (cgroups !== undefined) await removeGroup(cgroups.existing(id));
    await endStrays({ mark: this.#mark(id), user: { uid, gid: 0 } }, commands.level.name, host.clock);
  }

  async #dispose(): Promise<void> {
    const { memory, instance, users, cgroups, networks } = this.#settings;
    const [failed] = (await this.#jobs.disposeAll()).filter((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    // What a sandbox of somebody else (adopted, not swept yet) has in memory stays.
    if ((unlessErrno(['ENOENT'], () => readdirSync(memory.path)) ?? []).length === 0)
      await memory[Symbol.asyncDispose]();
    await networks?.[Symbol.asyncDispose]();
    cgroups?.close();
    await removeInstanceFolder(instance);
    await users[Symbol.asyncDispose]();
  }
}

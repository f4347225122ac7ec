import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Logger,
  type Network,
  type ResourceLimits,
  type ResourceUsage,
  RitmoError,
  type SandboxRecord,
  type StepExit,
  type StepScope,
} from '@ritmo/agent-core/executor';
import { type Cgroup, type JobNetwork, type Owner, removeGroup, removeTree } from '@ritmo/host-linux';
import type { InsidePaths, JobView } from '../level/level.js';
import type { Command } from '../step/command.js';
import { type CommandHost, runCommand } from '../step/run-command.js';
import type { JobDisk } from '../disk/job-disk.js';
import type { JobFolders } from './folders.js';
import { endStrays } from './strays.js';
import { isRoot } from './user.js';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface JobSettings {
  readonly id: string;
  readonly user: Owner;
  readonly network: Network;
  readonly folders: JobFolders;
  readonly mark: string;
  readonly toolPaths: readonly string[];
  readonly group: Cgroup | undefined;
  readonly limits: ResourceLimits;
  /** From now. */
  readonly deadlineMs: number;
  readonly disk: JobDisk;
  /** Makes the way out of a job with network `isolated`. */
  readonly openNetwork: ((signal: AbortSignal) => Promise<JobNetwork>) | undefined;
  readonly log: Logger;
  readonly onDisposed: () => void;
}

/** One job on this host: its folders and its processes, shared by the volume and the sandbox around it. */
export class Job implements AsyncDisposable, JobView {
  readonly id: string;
  readonly user: Owner;
  readonly network: Network;
  readonly folders: JobFolders;
  readonly mark: string;
  readonly group: Cgroup | undefined;
  readonly shmBytes: number | undefined;
  readonly inside: InsidePaths;
  readonly #host: CommandHost;
  readonly #settings: JobSettings;
  readonly #until: number;
  readonly #disposing = new AbortController();
  #running: Promise<unknown> | undefined;
  #disposed: Promise<void> | undefined;
  #network: JobNetwork | undefined;
  #cpuMs = 0;
  /** Whether a command ended without the proof that nothing of it is left. */
  #unproven = false;

  constructor(host: CommandHost, settings: JobSettings) {
    this.id = settings.id;
    this.user = settings.user;
    this.network = settings.network;
    this.folders = settings.folders;
    this.mark = settings.mark;
    this.group = settings.group;
    this.shmBytes = settings.limits.shmBytes;
    this.inside = host.level.inside(settings.folders);
    this.#until = host.clock.monotonic() + settings.deadlineMs;
    this.#host = host;
    this.#settings = settings;
  }

  get leftMs(): number {
    return this.#until - this.#host.clock.monotonic();
  }

  /** As the kernel counts it, or, without control groups, as the steps' own shells do. */
  async usage(signal: AbortSignal): Promise<ResourceUsage> {
    const diskBytes = await this.#settings.disk.used(signal);
    return { cpuMs: this.#cpuMs, ...this.group?.usage(), diskBytes };
  }

  get owner(): Owner | undefined {
    return isRoot() ? this.user : undefined;
  }

  /** Makes the first folder: from here on there is something to clean up. */
  makeRoot(): void {
    mkdirSync(this.folders.root, { mode: 0o711 });
    chmodSync(this.folders.root, 0o711);
  }

  get privateNetwork(): JobNetwork | undefined {
    return this.#network;
  }

  /** Makes the rest: file system, network, folders. */
  async make(signal: AbortSignal): Promise<void> {
    const opened = await Promise.allSettled([
      this.#settings.disk.open(),
      this.#settings.openNetwork?.(signal).then((network) => (this.#network = network)),
    ]);
    for (const result of opened) if (result.status === 'rejected') throw result.reason;
    mkdirSync(this.folders.memory, { mode: 0o711 });
    chmodSync(this.folders.memory, 0o711);
    for (const folder of [this.folders.workspace, this.folders.home, this.folders.tmp, this.folders.privateDir]) {
      this.makeOwnFolder(folder);
    }
    await this.#settings.disk.openTmp(this.user);
    this.#host.level.prepareFolders(this.folders, this.user, this.network);
  }

  makeOwnFolder(folder: string): void {
    mkdirSync(folder, { mode: 0o700 });
    if (isRoot()) chownSync(folder, this.user.uid, this.user.gid);
  }

  record(executor: string): SandboxRecord {
    return {
      sandboxId: this.id,
      executor,
      stateVersion: 1,
      state: { level: this.#host.level.name, root: this.folders.root, uid: this.user.uid },
    };
  }

  get description(): string {
    return this.#host.level.describe(this.network);
  }

  /** Runs one command; a second one at the same time is a mistake of the caller. */
  async run(command: Omit<Command, 'env' | 'cwd'> & Partial<Pick<Command, 'env' | 'cwd'>>, scope: StepScope) {
    this.assertUsable();
    if (this.#running !== undefined) {
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} runs a command already.`);
    }
    const running = this.#run(
      {
        ...command,
        cwd: command.cwd ?? this.inside.workspace,
        env: {
          PATH: [...this.#settings.toolPaths, defaultPath].join(':'),
          HOME: this.inside.home,
          TMPDIR: this.inside.tmp,
          ...command.env,
        },
      },
      scope,
    );
    this.#running = running;
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  assertUsable(): void {
    if (this.#disposed !== undefined) throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} is disposed.`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose().catch((error: unknown) => {
      // Another try must be possible.
      this.#disposed = undefined;
      throw error;
    });
    return this.#disposed;
  }

  async #run(command: Command, scope: StepScope): Promise<StepExit> {
    await this.#network?.closeHost();
    const signal = AbortSignal.any([scope.signal, this.#disposing.signal]);
    const { exit, cpuMs } = await runCommand(
      this.#host,
      this,
      command,
      { ...scope, signal },
      this.#settings.disk,
    ).catch((error: unknown) => {
      this.#unproven = true;
      throw error;
    });
    this.#cpuMs += cpuMs;
    if (this.#disposing.signal.aborted && !scope.signal.aborted) {
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} was disposed while a command ran.`);
    }
    return exit;
  }

  async #dispose(): Promise<void> {
    this.#disposing.abort({ reason: 'agent-stopping', graceMs: 0 });
    await Promise.allSettled([this.#running]);
    try {
      const { level, clock } = this.#host;
      if (this.group !== undefined) await removeGroup(this.group);
      if (level.name === 'bare' || this.#unproven) await endStrays(this, level.name, clock);
      await this.#network?.[Symbol.asyncDispose]();
      await this.#settings.disk.close();
      await removeTree(this.folders.memory);
      await removeTree(this.folders.root);
    } catch (error) {
      throw RitmoError.from(error, 'RITMO_CLEANUP_FAILED');
    }
    this.#settings.onDisposed();
  }
}

/** A new folder of the job in memory; its name is not taken yet. */
export function newToolFolder(job: Job): string {
  for (let number = 1; ; number++) {
    const folder = join(job.folders.memory, `tool-${number}`);
    if (!existsSync(folder)) {
      job.makeOwnFolder(folder);
      return folder;
    }
  }
}

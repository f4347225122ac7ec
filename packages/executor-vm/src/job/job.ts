import { chmodSync, chownSync, closeSync, mkdirSync, writeFileSync } from 'node:fs';
import {
  type PrepareScope,
  type ResourceUsage,
  RitmoError,
  type SandboxRecord,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';
import {
  type Cgroup,
  type JobNetwork,
  type Owner,
  privateNameServer,
  removeGroup,
  removeTree,
} from '@ritmo/host-linux';
import { insidePaths } from '../guest/scripts.js';
import type { RootImage } from '../image/root-image.js';
import type { Machine } from '../machine/machine.js';
import { type Hardware, machineMemoryMiB, machineNetwork } from '../machine/settings.js';
import type { HandedOut } from '../warm/warm-machine.js';
import type { WarmPool } from '../warm/warm-pool.js';
import { adopt } from './adopt.js';
import { JobDisk } from './disk.js';
import type { JobFolders } from './folders.js';
import { isRoot, type JobHost, markOf } from './job-host.js';
import { makeKvmNode } from './kvm-node.js';
import { launch } from './launch.js';
import { machineGroup } from './machine-group.js';
import { openNetwork } from './network.js';
import { usageOf } from './usage.js';
import { assertShell } from './verify.js';

/** A number that images give to nobody. */
const nobodyInParticular: Owner = { uid: 240_000, gid: 240_000 };

export interface JobSettings {
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  /** Where machines wait; undefined where none do. */
  readonly pool: WarmPool | undefined;
  readonly onDisposed: () => void;
}

/** One job: its folders on the host, and its machine once it runs. */
export class Job implements AsyncDisposable {
  readonly id: string;
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  readonly mark: string;
  readonly #pool: WarmPool | undefined;
  readonly #onDisposed: () => void;
  readonly #disposing = new AbortController();
  #user: Owner | undefined;
  #image: RootImage | undefined;
  #group: Cgroup | undefined;
  #network: JobNetwork | undefined;
  #machine: Machine | undefined;
  #disk: JobDisk | undefined;
  #restored = false;
  #warm: HandedOut | undefined;
  #cpuMsBefore = 0;
  #working = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  constructor({ host, request, folders, pool, onDisposed }: JobSettings) {
    this.id = request.sandboxId;
    this.host = host;
    this.request = request;
    this.folders = folders;
    this.mark = markOf(host.ownerId, this.id);
    this.#pool = pool;
    this.#onDisposed = onDisposed;
  }

  /** Who its processes are on this host; the agent's user where absent. */
  get user(): Owner | undefined {
    return this.#user;
  }

  get image(): RootImage {
    if (this.#image === undefined) throw new RitmoError('RITMO_INTERNAL', `Sandbox ${this.id} has no image yet.`);
    return this.#image;
  }

  /** Who its steps are inside of the machine: who the image says, hardened never root. */
  get inside(): Owner {
    const { uid, gid } = this.image;
    return this.#hardened && uid === 0 ? nobodyInParticular : { uid, gid };
  }

  /** Where its steps are at home, inside of the machine. */
  get home(): string {
    return this.#hardened ? insidePaths.home : this.image.home;
  }

  get #hardened(): boolean {
    return this.request.profile === 'hardened';
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} has no machine.`);
    return this.#machine;
  }

  get network(): JobNetwork | undefined {
    return this.#network;
  }

  /** Aborted when the job is disposed. */
  get over(): AbortSignal {
    return this.#disposing.signal;
  }

  get hardware(): Hardware {
    const { limits } = this.request;
    const { options, accelerator } = this.host;
    return {
      memoryMiB: machineMemoryMiB(limits.memoryBytes ?? options.memoryBytes),
      cpus: Math.max(1, Math.ceil(limits.cpus ?? options.cpus)),
      accelerator,
    };
  }

  get stepBounds() {
    return {
      memoryBytes: this.request.limits.memoryBytes ?? this.host.options.memoryBytes,
      pids: this.request.limits.pids ?? this.host.options.pids,
    };
  }

  get description(): string {
    const { accelerator, acceleratorWhy } = this.host;
    const { memoryMiB, cpus } = this.hardware;
    const how = accelerator === 'kvm' ? 'KVM' : 'software emulation';
    const made = this.#restored ? 'restored from a template' : 'booted';
    const from = this.#warm === undefined ? made : `${made} before the job came`;
    const user = this.#user === undefined ? "the agent's user" : 'a user of its own';
    return `virtual machine: ${how} (${acceleratorWhy}), ${from}, ${cpus} CPU, ${memoryMiB} MiB, QEMU as ${user}, network ${this.request.network}`;
  }

  record(executor: string): SandboxRecord {
    return { sandboxId: this.id, executor, stateVersion: 1, state: { root: this.folders.root } };
  }

  /** Makes the first folder: from here on there is something to clean up. */
  makeRoot(): void {
    mkdirSync(this.folders.root, { mode: 0o711 });
    chmodSync(this.folders.root, 0o711);
  }

  /** The image, then user, network and folders: all that tools need. */
  async makeWorkspace({ signal, progress }: PrepareScope): Promise<void> {
    const { host, request } = this;
    this.#image = await host.images.ensure(host.images.check(request.image), { signal, progress });
    if (!(await this.#takeWarm())) {
      if (isRoot()) this.#user = await host.users.take(request.slot);
      if (request.network === 'isolated') this.#network = await openNetwork(host, this.#user, signal);
    }
    for (const folder of ['content', 'workspace', 'home', 'tmp'] as const) this.#ownFolder(this.folders[folder]);
    mkdirSync(this.folders.memory, { mode: 0o711 });
    chmodSync(this.folders.memory, 0o711);
    writeFileSync(this.folders.resolver, `nameserver ${privateNameServer}\n`, { mode: 0o644 });
  }

  /** Whether a machine waited for a job like this one: its user, network and limits are the job's then. */
  async #takeWarm(): Promise<boolean> {
    const { hardware, image, request, folders } = this;
    const { path, format, fileSystem } = image;
    const network = request.network === 'isolated' ? 'isolated' : 'none';
    const shape = { hardware, image: { path, format, fileSystem }, network, cpus: request.limits.cpus } as const;
    const warm = await this.#pool?.take(shape, folders.disk);
    if (warm === undefined) return false;
    this.#warm = warm;
    this.#machine = warm.machine;
    this.#restored = warm.restored;
    this.#user = warm.user;
    this.#group = warm.group;
    this.#network = warm.network;
    this.#cpuMsBefore = this.usage().cpuMs ?? 0;
    return true;
  }

  /** Fills the disk and brings up the machine, both at once; returns when a step can run. */
  async start({ signal, progress }: PrepareScope): Promise<void> {
    const bounded = AbortSignal.any([signal, this.over]);
    const disk = this.#newDisk();
    await this.#network?.closeHost();
    const lent = this.#warm === undefined ? disk.open() : disk.clear();
    try {
      const bringUp = this.#warm === undefined ? this.#launch(lent, bounded, progress) : this.#wake(disk, bounded);
      const [filled, begun] = await Promise.allSettled([this.#fill(disk, bounded), this.during(bringUp)]);
      for (const result of [begun, filled]) if (result.status === 'rejected') throw result.reason;
    } finally {
      closeSync(lent);
    }
    await this.#enterImage(this.machine, signal);
  }

  /** Keeps the end of the job waiting for the work. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#working.add(work);
    try {
      return await work;
    } finally {
      this.#working.delete(work);
    }
  }

  usage(): ResourceUsage {
    const used = usageOf(this.#machine?.pid, this.#group, this.#disk?.used() ?? 0);
    return { ...used, cpuMs: (used.cpuMs ?? 0) - this.#cpuMsBefore };
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

  #newDisk(): JobDisk {
    const { host, folders, inside, mark } = this;
    this.#disk = new JobDisk({
      bubblewrap: host.machines.tools.bubblewrap,
      mke2fs: host.mke2fs,
      image: folders.disk,
      content: folders.content,
      bytes: this.request.limits.diskBytes ?? host.options.diskBytes,
      user: this.#user,
      inside,
      mark,
    });
    return this.#disk;
  }

  async #fill(disk: JobDisk, signal: AbortSignal): Promise<void> {
    if (this.#user !== undefined) await adopt(this.folders.content, this.#user);
    await disk.fill(signal);
    // All of it lies on the disk of the machine now. Whatever stays goes with the job's folder.
    void this.during(removeTree(this.folders.content)).catch((error: unknown) =>
      this.host.log.warn(
        { sandboxId: this.id, error: String(error) },
        'The files of a workspace could not be removed yet',
      ),
    );
  }

  async #launch(disk: number, signal: AbortSignal, progress: PrepareScope['progress']): Promise<void> {
    const { host, folders, hardware, image, mark, id } = this;
    this.#group = machineGroup(host, id, hardware, this.request.limits.cpus);
    const kvmNode = host.accelerator === 'kvm' ? await makeKvmNode(folders.kvmNode, this.#user) : undefined;
    const { resolver } = folders;
    const [user, group, network] = [this.#user, this.#group, this.#network];
    const settings = { host, id, hardware, image, disk, user, group, network, resolver, kvmNode, mark };
    const launched = await launch(settings, { signal, progress });
    this.#machine = launched.machine;
    this.#restored = launched.restored;
    await this.#machine.refresh(host.clock, signal);
  }

  /** Only now, and not when it was made, it gets its seed and the time. */
  async #wake(disk: JobDisk, signal: AbortSignal): Promise<void> {
    await this.machine.resizeDisk(disk.bytes, signal);
    await this.machine.refresh(this.host.clock, signal);
  }

  /** The root filesystem, the disk and the network, and whether the image's shell runs here. */
  async #enterImage(machine: Machine, signal: AbortSignal): Promise<void> {
    const { image, request, inside, home } = this;
    const { address, mask, gateway, nameServer } = machineNetwork;
    const { shmBytes } = request.limits;
    const words = [inside.uid, inside.gid, home, image.fileSystem, shmBytes ?? ''];
    const asked = [machine.control.ask('prepare', ...words)];
    if (request.network === 'isolated') asked.push(machine.control.ask('network', address, mask, gateway, nameServer));
    if (this.#hardened) asked.push(machine.control.ask('harden'));
    for (const each of asked) each.catch(() => undefined);
    const stop = () => void machine[Symbol.asyncDispose]().catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.all(asked);
      if (!image.verified) assertShell(await machine.control.shell());
      image.verify();
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #ownFolder(path: string): void {
    mkdirSync(path, { mode: 0o700 });
    if (this.#user !== undefined) chownSync(path, this.#user.uid, this.#user.gid);
  }

  async #dispose(): Promise<void> {
    this.#disposing.abort({ reason: 'agent-stopping', graceMs: 0 });
    try {
      await this.#machine?.[Symbol.asyncDispose]();
      await Promise.allSettled(this.#working);
      // One that came up while it was given up.
      await this.#machine?.[Symbol.asyncDispose]();
      if (this.#group !== undefined) await removeGroup(this.#group);
      await this.#network?.[Symbol.asyncDispose]();
      await removeTree(this.folders.memory);
      await removeTree(this.folders.root);
    } catch (error) {
      throw RitmoError.from(error, 'RITMO_CLEANUP_FAILED');
    }
    if (this.#user !== undefined) this.host.users.giveBack(this.#user);
    if (this.#warm !== undefined) this.#pool?.ended(this.#warm.id);
    this.#onDisposed();
  }
}

/** Where the workspace lies inside. */
export const workdir = insidePaths.workspace;

import { chmodSync, chownSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
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
import { openMachine } from '../machine/factory.js';
import type { Machine } from '../machine/machine.js';
import { type Hardware, machineMemoryMiB, machineNetwork } from '../machine/settings.js';
import { type OpenTemplate, openState } from '../template/templates.js';
import { adopt } from './adopt.js';
import { JobDisk } from './disk.js';
import type { JobFolders } from './folders.js';
import { isRoot, type JobHost, markOf } from './job-host.js';
import { makeKvmNode } from './kvm-node.js';
import { usageOf } from './usage.js';
import { assertShell } from './verify.js';

const mebibyte = 1024 * 1024;
/** What QEMU itself takes beside the memory of the machine. */
const overheadBytes = 256 * mebibyte;
const machineThreads = 256;

export interface JobSettings {
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  readonly onDisposed: () => void;
}

/** One job: its folders on the host, and its machine once it runs. */
export class Job implements AsyncDisposable {
  readonly id: string;
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  readonly mark: string;
  readonly #onDisposed: () => void;
  readonly #disposing = new AbortController();
  #user: Owner | undefined;
  #image: RootImage | undefined;
  #group: Cgroup | undefined;
  #network: JobNetwork | undefined;
  #machine: Machine | undefined;
  #disk: JobDisk | undefined;
  #restored = false;
  #working = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  constructor({ host, request, folders, onDisposed }: JobSettings) {
    this.id = request.sandboxId;
    this.host = host;
    this.request = request;
    this.folders = folders;
    this.mark = markOf(host.ownerId, this.id);
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

  /** Who its steps are inside of the machine. */
  get inside(): Owner {
    return { uid: this.image.uid, gid: this.image.gid };
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
    const from = this.#restored ? 'restored from a template' : 'booted';
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
    if (isRoot()) this.#user = await host.users.take(request.slot);
    if (request.network === 'isolated') this.#network = await this.#openNetwork(signal);
    for (const folder of ['content', 'workspace', 'home', 'tmp'] as const) this.#ownFolder(this.folders[folder]);
    mkdirSync(this.folders.memory, { mode: 0o711 });
    chmodSync(this.folders.memory, 0o711);
    writeFileSync(this.folders.resolver, `nameserver ${privateNameServer}\n`, { mode: 0o644 });
  }

  /** Fills the disk and starts the machine, both at once; returns when a step can run. */
  async start({ signal, progress }: PrepareScope): Promise<void> {
    const { host, folders, hardware } = this;
    const template = await host.templates.get(hardware, signal, progress);
    const { limits } = this.request;
    this.#disk = new JobDisk({
      bubblewrap: host.machines.tools.bubblewrap,
      mke2fs: host.mke2fs,
      image: folders.disk,
      content: folders.content,
      bytes: limits.diskBytes ?? host.options.diskBytes,
      user: this.#user,
      inside: this.inside,
      mark: this.mark,
    });
    this.#group = this.#newGroup();
    await this.#network?.closeHost();
    const kvmNode = host.accelerator === 'kvm' ? await makeKvmNode(folders.kvmNode, this.#user) : undefined;
    const disk = this.#disk.open();
    try {
      const [filled, begun] = await Promise.allSettled([
        this.#fill(this.#disk, signal),
        this.#begin((from) => this.#open(disk, kvmNode, from), template, { signal, progress }),
      ]);
      for (const result of [begun, filled]) if (result.status === 'rejected') throw result.reason;
    } finally {
      closeSync(disk);
    }
    await this.#enterImage(this.machine, signal);
  }

  #open(disk: number, kvmNode: string | undefined, template: OpenTemplate | undefined): Machine {
    const image = openSync(this.image.path, 'r');
    const opened = [image];
    try {
      const state = template === undefined ? undefined : openState(template);
      if (state !== undefined) opened.push(state);
      return openMachine(this.host.machines, {
        shape: {
          hardware: this.hardware,
          memory: template === undefined ? 'anonymous' : 'template',
          imageFormat: this.image.format,
          network: this.request.network === 'isolated' ? 'isolated' : 'none',
        },
        files: {
          disk,
          image,
          ...(template === undefined || state === undefined ? {} : { memory: template.memory, state }),
        },
        user: this.#user,
        group: this.#group,
        enterNetwork: this.#network?.enter(),
        kvmNode,
        resolver: this.#network === undefined ? undefined : this.folders.resolver,
        mark: this.mark,
      });
    } finally {
      for (const fd of opened) closeSync(fd);
    }
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
    return usageOf(this.#machine?.pid, this.#group, this.#disk?.used() ?? 0);
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

  async #fill(disk: JobDisk, signal: AbortSignal): Promise<void> {
    if (this.#user !== undefined) await adopt(this.folders.content, this.#user);
    await disk.fill(AbortSignal.any([signal, this.over]));
    // All of it lies on the disk of the machine now.
    await removeTree(this.folders.content);
  }

  /** From the template; where no machine comes back from it, as when QEMU was exchanged meanwhile, by booting. */
  async #begin(
    open: (from: OpenTemplate | undefined) => Machine,
    template: OpenTemplate | undefined,
    { signal, progress }: Pick<PrepareScope, 'signal' | 'progress'>,
  ): Promise<void> {
    const { options, templates, log, clock } = this.host;
    if (template !== undefined) {
      try {
        this.#machine = open(template);
        await this.#machine.restore(signal);
        this.#restored = true;
      } catch (error) {
        signal.throwIfAborted();
        if (this.over.aborted) throw error;
        log.warn(
          { sandboxId: this.id, error: String(error) },
          'No machine comes back from the template; it is removed',
        );
        progress('The template does not serve; booting');
        templates.discard(this.hardware);
        await this.#machine?.[Symbol.asyncDispose]();
      }
    }
    if (!this.#restored) {
      this.#machine = open(undefined);
      await this.#machine.boot(signal, options.bootTimeoutMs);
    }
    await this.machine.refresh(clock.now(), signal);
  }

  /** The root filesystem, the disk and the network, and whether the image's shell runs here. */
  async #enterImage(machine: Machine, signal: AbortSignal): Promise<void> {
    const { image, request } = this;
    const { address, gateway, nameServer } = machineNetwork;
    const { shmBytes } = request.limits;
    const words = [
      image.uid,
      image.gid,
      image.home,
      image.fileSystem,
      'vda',
      shmBytes === undefined ? '' : `,size=${shmBytes}`,
    ];
    const asked = [machine.control.ask('prepare', ...words)];
    if (request.network === 'isolated') asked.push(machine.control.ask('network', address, gateway, nameServer));
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

  async #openNetwork(signal: AbortSignal): Promise<JobNetwork> {
    const { networks } = this.host;
    const user = this.#user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    if (networks === undefined) throw new RitmoError('RITMO_INTERNAL', 'There are no isolated networks here.');
    return await networks.open(user, signal);
  }

  #newGroup(): Cgroup | undefined {
    const { cgroups } = this.host;
    const { cpus } = this.request.limits;
    try {
      return cgroups?.create(this.id, {
        memoryBytes: this.hardware.memoryMiB * mebibyte + overheadBytes,
        pids: machineThreads,
        ...(cpus === undefined ? {} : { cpus }),
      });
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The limits of the job are not accepted here: ${said}.`, {
        cause: error,
      });
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
      if (this.#group !== undefined) await removeGroup(this.#group);
      await this.#network?.[Symbol.asyncDispose]();
      await removeTree(this.folders.memory);
      await removeTree(this.folders.root);
    } catch (error) {
      throw RitmoError.from(error, 'RITMO_CLEANUP_FAILED');
    }
    if (this.#user !== undefined) this.host.users.giveBack(this.#user);
    this.#onDisposed();
  }
}

/** Where the workspace lies inside. */
export const workdir = insidePaths.workspace;

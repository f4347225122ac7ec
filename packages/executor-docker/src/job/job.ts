import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { type PrepareScope, RitmoError, type SandboxRecord, type SandboxRequest } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';
import type { ContainerSpec, ImageInfo } from '../docker/client.js';
import { addressIn } from '../network/subnets.js';
import { ServiceGroup } from '../services/group.js';
import { insidePaths } from '../supervisor/script.js';
import { isRoot, SupervisedContainer } from './container.js';
import { JobDisk } from './disk.js';
import { factsOf, type JobFacts, keepFacts } from './facts.js';
import type { ContainerRole, JobFolders } from './folders.js';
import type { JobHost } from './job-host.js';
import { labelsOf } from './names.js';
import { removeFolders, removeLabelled, takeBack } from './remove.js';
import { jobSpec, type Place } from './spec.js';
import { DiskGuard } from './watch-disk.js';

/** How long the disk is counted for the usage of a job, in milliseconds. */
const usageMs = 2_000;
/** Of the records and of what is kept in memory. */
export const stateVersion = 2;

export interface JobSettings {
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  readonly onDisposed: () => void;
}

/** One job on this worker: its folders, its networks and its containers, shared by the volume and the sandbox. */
export class Job implements AsyncDisposable {
  readonly id: string;
  readonly host: JobHost;
  readonly request: SandboxRequest;
  readonly folders: JobFolders;
  readonly inside = insidePaths;
  readonly #disk: JobDisk;
  readonly #guard: DiskGuard;
  readonly #onDisposed: () => void;
  readonly #disposing = new AbortController();
  /** Things to dispose, the newest first. */
  readonly #made: AsyncDisposable[] = [];
  #image: ImageInfo | undefined;
  #user: Owner | undefined;
  #place: Promise<Place> | undefined;
  #container: SupervisedContainer | undefined;
  #disposed: Promise<void> | undefined;
  #stuck = false;

  constructor({ host, request, folders, onDisposed }: JobSettings) {
    this.id = request.sandboxId;
    this.host = host;
    this.request = request;
    this.folders = folders;
    this.#onDisposed = onDisposed;
    this.#disk = new JobDisk({ kind: host.diskKind, folders, limitBytes: request.limits.diskBytes });
    this.#guard = new DiskGuard(this, this.#disk);
  }

  /**
   * Takes up a job that another agent process has started; undefined where its container does not run any more. What is
   * left of such a job is the next sweep's.
   */
  static async recover(settings: Omit<JobSettings, 'request'>, id: string): Promise<Job | undefined> {
    const facts = factsOf(settings.folders);
    if (facts === undefined || facts.request.sandboxId !== id) return undefined;
    const job = new Job({ ...settings, request: facts.request });
    const { host, folders } = job;
    job.#user = facts.user;
    const container = await SupervisedContainer.recover({
      ...job.#containerSettings(folders.privateDir),
      folder: folders.supervisor('job'),
    });
    if (container === undefined) return undefined;
    if (facts.pooled && !(await host.users.takeOver(facts.user, job))) {
      await container.letGo();
      return undefined;
    }
    job.keep({ [Symbol.asyncDispose]: () => removeLabelled(host, id) });
    job.#container = job.keep(container);
    return job;
  }

  get user(): Owner {
    if (this.#user === undefined) throw new RitmoError('RITMO_INTERNAL', 'The job has no user yet.');
    return this.#user;
  }

  /** Who files are handed to; nobody where the agent may not. */
  get owner(): Owner | undefined {
    return isRoot() ? this.user : undefined;
  }

  get image(): ImageInfo {
    if (this.#image === undefined) throw new RitmoError('RITMO_INTERNAL', 'The job has no image yet.');
    return this.#image;
  }

  get container(): SupervisedContainer {
    this.assertUsable();
    if (this.#container === undefined) throw new RitmoError('RITMO_INTERNAL', `Sandbox ${this.id} is not prepared.`);
    return this.#container;
  }

  /** Whether it was to be disposed and something of it would not go, as when the daemon was away. */
  get stuck(): boolean {
    return this.#stuck;
  }

  /** Aborted when the job is disposed. */
  get signal(): AbortSignal {
    return this.#disposing.signal;
  }

  /** Makes the first folder: from here on there is something to clean up. */
  makeRoot(): void {
    mkdirSync(this.folders.root, { mode: 0o711 });
    chmodSync(this.folders.root, 0o711);
  }

  record(executor: string): SandboxRecord {
    return {
      sandboxId: this.id,
      executor,
      stateVersion,
      state: { root: this.folders.root, jobId: this.request.jobId },
    };
  }

  /** Brings the image, finds out who steps run as, and makes the folders for them. */
  async makeWorkspace(scope: PrepareScope): Promise<void> {
    const { images, users } = this.host;
    this.#image = await images.ensure(this.host.imageOf(this.request), scope);
    this.#user = await users.of(this.#image, this);
    const { memory, privateDir, tools } = this.folders;
    mkdirSync(memory, { mode: 0o711 });
    chmodSync(memory, 0o711);
    for (const folder of [privateDir, tools]) this.makeOwnFolder(folder);
    await this.#disk.make(this.owner);
  }

  /** The most that it was seen to take on disk; undefined where it is too much to be counted soon. */
  async diskPeakBytes(signal: AbortSignal): Promise<number | undefined> {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(usageMs)]);
    try {
      return Math.max((await this.#disk.used(soon)).bytes, this.#guard.peakBytes);
    } catch (error) {
      if (!soon.aborted || signal.aborted) throw error;
      return this.#guard.peakBytes || undefined;
    }
  }

  makeOwnFolder(folder: string): void {
    mkdirSync(folder, { mode: 0o700 });
    if (isRoot()) chownSync(folder, this.user.uid, this.user.gid);
  }

  labels(role: string): Record<string, string> {
    return labelsOf(this.host.ownerId, this.id, this.request.jobId, role);
  }

  /** The network of the job; made when the first container needs it. */
  place(): Promise<Place> {
    this.#place ??= this.#makePlace();
    return this.#place;
  }

  /** Starts services, then the container that steps run in. */
  async start(scope: PrepareScope): Promise<void> {
    const { request, folders } = this;
    const { options } = this.host;
    const place = await this.place();
    if (request.services.length > 0) {
      const services = await ServiceGroup.start(this, place, scope);
      this.keep(services);
    }
    const spec = jobSpec({ image: this.image.id, request, labels: this.labels('job'), folders, options, place });
    this.#container = this.keep(await this.supervised('job', spec, folders.privateDir, scope.signal));
    const facts: JobFacts = { request, user: this.user, pooled: this.host.users.isOfPool(this.user) };
    keepFacts(folders, facts);
  }

  /** Starts a container with our supervisor; the caller disposes it, or `keep`s it. */
  async supervised(role: ContainerRole, spec: ContainerSpec, privateDir: string, signal: AbortSignal) {
    this.assertUsable();
    return await SupervisedContainer.start(
      {
        ...this.#containerSettings(privateDir),
        spec,
        folder: this.folders.supervisor(role),
        deadlineSeconds: Math.max(1, Math.ceil(this.request.deadlineMs / 1000)),
      },
      AbortSignal.any([signal, this.signal]),
    );
  }

  /** Leaves all of it to the agent after this one. */
  async letGo(): Promise<void> {
    this.assertUsable();
    this.#disposed = Promise.resolve();
    await this.#container?.letGo();
  }

  keep<T extends AsyncDisposable>(thing: T): T {
    this.#made.push(thing);
    return thing;
  }

  /** Lets the agent read what a build made as root, where the agent is not. */
  async takeBack(): Promise<void> {
    if (!isRoot() && this.user.uid !== process.getuid?.())
      await takeBack(this.host, this.folders.root, this.labels('take-back'));
  }

  assertUsable(): void {
    if (this.#disposed !== undefined || this.#stuck)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} is disposed.`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose().catch((error: unknown) => {
      // Another try must be possible.
      this.#disposed = undefined;
      this.#stuck = true;
      throw RitmoError.from(error, 'RITMO_CLEANUP_FAILED');
    });
    return this.#disposed;
  }

  #containerSettings(privateDir: string) {
    const { docker, clock, log } = this.host;
    const { lostAfterMs } = this.request;
    const isDiskFull = () => this.#disk.isFull();
    const watchDisk = (container: string, onOver: () => void) => this.#guard.watch(container, onOver);
    return { docker, clock, log, privateDir, owner: this.user, isDiskFull, watchDisk, lostAfterMs };
  }

  async #makePlace(): Promise<Place> {
    const { networks } = this.host;
    const { network, services } = this.request;
    if (network === 'host') return { network: 'host' };
    if (networks === undefined || (network === 'none' && services.length === 0)) return { network: 'none' };
    if (services.length === 0) return { network: await networks.shared() };
    const { name, subnet } = await networks.ofJob(this.id, this.request.jobId, network === 'none');
    this.#made.unshift({ [Symbol.asyncDispose]: () => this.host.docker.removeNetwork(name) });
    if (this.host.engine !== 'Podman') return { network: name };
    // Podman's names are told by a server on the host, which is closed to builds.
    const hosts = services.map((service, index) => [service.name, addressIn(subnet, index + 1)] as const);
    return { network: name, hosts: Object.fromEntries(hosts) };
  }

  async #dispose(): Promise<void> {
    this.#disposing.abort(new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} is disposed.`));
    await Promise.allSettled([this.#place]);
    while (this.#made.length > 0) {
      await this.#made.at(-1)?.[Symbol.asyncDispose]();
      this.#made.pop();
    }
    await removeFolders(this.host, this.folders, this.labels('take-back'));
    this.#onDisposed();
  }
}

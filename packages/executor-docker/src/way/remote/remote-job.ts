import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  type PrepareScope,
  RitmoError,
  type Sandbox,
  type SandboxRecord,
  type SandboxRequest,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { type Owner, removeTree, type UserPool } from '@ritmo/host-linux';
import type { ContainerSpec, DockerClient, ImageInfo } from '../../docker/client.js';
import { RemoteCalls } from '../../docker/remote-calls.js';
import type { Images } from '../../image/images.js';
import { isRoot } from '../../job/container.js';
import type { ImageOf } from '../../job/job-host.js';
import { stateVersion } from '../../job/job.js';
import { labelsOf } from '../../job/names.js';
import { confinement, limits } from '../../job/spec.js';
import type { JobUsers } from '../../job/users.js';
import type { ResolvedOptions } from '../../options.js';
import { insidePaths } from '../../supervisor/script.js';
import type { WayJob } from '../way.js';
import { packFolders } from './pack-folders.js';
import { RemoteContainer } from './remote-container.js';
import { RemoteSandbox } from './remote-sandbox.js';
import { RemoteVolume } from './remote-volume.js';

const privateBytes = 64 * 2 ** 20;

/** What all jobs of this way share. */
export interface RemoteHost {
  readonly docker: DockerClient;
  readonly clock: Clock;
  readonly options: ResolvedOptions;
  readonly ownerId: string;
  readonly images: Images;
  readonly imageOf: ImageOf;
  readonly users: JobUsers;
  /** Who tools are on this host, where the agent is root. */
  readonly pool: UserPool;
  readonly bubblewrap: string;
  /** Of containers that are never started, and through which volumes are filled. */
  readonly fillImage: string;
}

/** Where the things of one job lie on the agent's host. */
export interface RemoteFolders {
  readonly root: string;
  /** Until they are sent to the daemon. */
  readonly workspace: string;
  readonly home: string;
  readonly tmp: string;
  /** Files that were collected. */
  readonly spool: string;
  readonly memory: string;
}

export function remoteFolders(sandboxes: string, memory: string, id: string): RemoteFolders {
  const root = join(sandboxes, id);
  const [workspace, home, tmp, spool] = ['workspace', 'home', 'tmp', 'spool'].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string,
  ];
  return { root, workspace, home, tmp, spool, memory: join(memory, id) };
}

/** Volumes of a job, by where they are in its container. */
const volumesOf = (id: string) => ({
  [insidePaths.workspace]: `ritmo-${id}-workspace`,
  [insidePaths.home]: `ritmo-${id}-home`,
});

const fillPath = '/fill';
const folderOf = (volume: string) => volume.slice(volume.lastIndexOf('-') + 1);
const mountOf = (volume: string, target: string) => ({
  ...{ Type: 'volume', Source: volume, Target: target, VolumeOptions: { NoCopy: true } },
});

/** One job of a daemon that its API alone reaches: folders here until it starts, then volumes and a container there. */
export class RemoteJob implements WayJob {
  readonly id: string;
  readonly request: SandboxRequest;
  readonly host: RemoteHost;
  readonly folders: RemoteFolders;
  /** In the environment of all its processes on this host. */
  readonly mark: string;
  readonly #onDisposed: (job: WayJob) => void;
  readonly #disposing = new AbortController();
  readonly #working = new Set<Promise<unknown>>();
  #image: ImageInfo | undefined;
  #user: Owner | undefined;
  #toolUser: Owner | undefined;
  #container: RemoteContainer | undefined;
  #started = false;
  #disposed: Promise<void> | undefined;
  #stuck = false;

  constructor(host: RemoteHost, folders: RemoteFolders, request: SandboxRequest, onDisposed: (job: WayJob) => void) {
    this.id = request.sandboxId;
    this.host = host;
    this.folders = folders;
    this.request = request;
    this.mark = `RITMO_SANDBOX=${host.ownerId}/${this.id}`;
    this.#onDisposed = onDisposed;
  }

  get stuck(): boolean {
    return this.#stuck;
  }

  get user(): Owner {
    if (this.#user === undefined) throw new RitmoError('RITMO_INTERNAL', 'The job has no user yet.');
    return this.#user;
  }

  /** Who its tools are on this host; the agent's user where absent. */
  get toolUser(): Owner | undefined {
    return this.#toolUser;
  }

  get bubblewrap(): string {
    return this.host.bubblewrap;
  }

  get container(): RemoteContainer {
    if (this.#container === undefined) throw new RitmoError('RITMO_INTERNAL', `Sandbox ${this.id} is not prepared.`);
    return this.#container;
  }

  /** Aborted when the job is disposed. */
  get signal(): AbortSignal {
    return this.#disposing.signal;
  }

  labels(role: string): Record<string, string> {
    return labelsOf(this.host.ownerId, this.id, this.request.jobId, role);
  }

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

  async allocate(scope: PrepareScope): Promise<WorkspaceVolume> {
    const { images, imageOf, users, pool } = this.host;
    this.#image = await images.ensure(imageOf(this.request), scope);
    this.#user = await users.remote(this.#image, this);
    if (isRoot()) this.#toolUser = await pool.take(this.request.slot);
    const { memory, workspace, home, tmp } = this.folders;
    mkdirSync(memory, { mode: 0o711 });
    chmodSync(memory, 0o711);
    for (const folder of [workspace, home, join(home, '.tmp'), tmp]) {
      mkdirSync(folder, { mode: 0o700 });
      if (this.#toolUser !== undefined) chownSync(folder, this.#toolUser.uid, this.#toolUser.gid);
    }
    return new RemoteVolume(this);
  }

  async start(scope: PrepareScope): Promise<void> {
    const calls = new RemoteCalls(this.host.docker);
    const signal = AbortSignal.any([scope.signal, this.signal]);
    await Promise.allSettled(this.#working);
    this.#started = true;
    for (const name of Object.values(volumesOf(this.id))) {
      signal.throwIfAborted();
      await this.during(calls.createVolume(name, this.labels('volume')));
    }
    await this.during(this.#fill(calls, signal));
    const starting = RemoteContainer.start(
      {
        docker: this.host.docker,
        clock: this.host.clock,
        spec: this.#spec(),
        user: this.user,
        deadlineSeconds: Math.max(1, Math.ceil(this.request.deadlineMs / 1000)),
      },
      signal,
    );
    this.#container = await this.during(starting);
    // All of it lies with the daemon now.
    for (const folder of [this.folders.workspace, this.folders.home, this.folders.tmp]) await removeTree(folder);
  }

  sandbox(description: string): Sandbox {
    return new RemoteSandbox(this, description);
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

  /** By a container that is never started: the owner of a folder is set where it is an entry, and not the target. */
  async #fill(calls: RemoteCalls, signal: AbortSignal): Promise<void> {
    const { docker, fillImage } = this.host;
    const mounts = Object.entries(volumesOf(this.id)).map(([, name]) => mountOf(name, `${fillPath}/${folderOf(name)}`));
    const filler = await docker.createContainer(
      {
        Image: fillImage,
        Entrypoint: ['/bin/sh'],
        Labels: this.labels('fill'),
        HostConfig: { NetworkMode: 'none', Mounts: mounts as never },
      },
      signal,
    );
    try {
      const { archive, done } = packFolders(this.folders.root, ['workspace', 'home'], this.user);
      try {
        await calls.putArchive(filler, fillPath, archive, signal);
      } finally {
        archive.destroy();
      }
      await done;
    } finally {
      await docker.removeContainer(filler);
    }
  }

  #spec(): ContainerSpec {
    const { request, user, host } = this;
    const { options } = host;
    const hardened = request.profile === 'hardened';
    const tmpBytes = request.limits.tmpBytes ?? (hardened ? options.hardenedTmpBytes : undefined);
    const owner = `uid=${user.uid},gid=${user.gid}`;
    return {
      Image: this.#image?.id ?? '',
      Hostname: 'build',
      WorkingDir: insidePaths.workspace,
      Labels: this.labels('job'),
      HostConfig: {
        ...limits(request.limits, options.defaultPids),
        ...confinement(hardened),
        ...(hardened ? { ReadonlyRootfs: true } : {}),
        NetworkMode: request.network === 'host' ? 'host' : 'none',
        Binds: options.binds.map(
          ({ source, target = source, access }) => `${source}:${target}:${access === 'read-only' ? 'ro' : 'rw'}`,
        ),
        Mounts: Object.entries(volumesOf(this.id)).map(([target, name]) => mountOf(name, target)) as never,
        Tmpfs: {
          [insidePaths.privateDir]: `mode=0700,nosuid,nodev,exec,size=${privateBytes},${owner}`,
          ...(tmpBytes === undefined ? {} : { '/tmp': `size=${tmpBytes},mode=1777,exec,nosuid,nodev` }),
        },
      },
    };
  }

  async #dispose(): Promise<void> {
    this.#disposing.abort(new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} is disposed.`));
    await Promise.allSettled(this.#working);
    await this.#container?.[Symbol.asyncDispose]();
    if (this.#started) {
      const calls = new RemoteCalls(this.host.docker);
      for (const name of Object.values(volumesOf(this.id))) await calls.removeVolume(name);
    }
    await removeTree(this.folders.memory);
    await removeTree(this.folders.root);
    if (this.#toolUser !== undefined) this.host.pool.giveBack(this.#toolUser);
    this.#onDisposed(this);
  }
}

import { mkdirSync, readdirSync } from 'node:fs';
import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Executor,
  type ExecutorCapabilities,
  type ExecutorHost,
  type PrepareScope,
  type ProbeReport,
  RitmoError,
  type Sandbox,
  type SandboxId,
  type SandboxRequest,
  type SweepReport,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram } from '@ritmo/host-linux';
import { Home } from './home.js';
import type { RootfsOptions } from './options.js';
import { RootfsSandbox } from './sandbox.js';
import { RootfsVolume } from './volume.js';

export const executorName = 'rootfs';

/** Rejects with RITMO_EXECUTOR_UNAVAILABLE where this host cannot do it: the operator reads the sentence and the hint. */
export async function openRootfsExecutor(options: RootfsOptions, host: ExecutorHost): Promise<RootfsExecutor> {
  const bubblewrap = findProgram('bwrap');
  if (process.platform !== 'linux' || bubblewrap === undefined) {
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The rootfs executor needs Linux and bubblewrap.', {
      hint: 'apt-get install bubblewrap',
    });
  }
  const problem = await problemOf(options.rootfs);
  if (problem !== undefined) {
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', problem, {
      hint: 'Make one with `debootstrap bookworm DIR`, or unpack what `docker export` gives.',
    });
  }
  return new RootfsExecutor(options, bubblewrap, host);
}

/** Each job in namespaces of its own, with a folder of the host as its root. */
export class RootfsExecutor implements Executor {
  readonly name = executorName;
  readonly capabilities: ExecutorCapabilities;
  readonly #options: RootfsOptions;
  readonly #bubblewrap: string;
  readonly #host: ExecutorHost;

  constructor(options: RootfsOptions, bubblewrap: string, host: ExecutorHost) {
    this.#options = options;
    this.#bubblewrap = bubblewrap;
    this.#host = host;
    // Facts: what is not here is refused, by the agent and again below.
    this.capabilities = {
      isolation: 'namespace',
      defaultNetwork: 'none',
      images: false,
      services: false,
      network: options.allowHostNetwork ? ['none', 'host'] : ['none'],
      limits: [],
      os: ['linux'],
      arch: [process.arch === 'arm64' ? 'arm64' : 'x64'],
      separateStderr: true,
      recover: false,
    };
  }

  async probe(signal: AbortSignal): Promise<ProbeReport> {
    signal.throwIfAborted();
    const { rootfs } = this.#options;
    const problem = await problemOf(rootfs);
    if (problem !== undefined) return { health: 'unavailable', detail: problem, facts: { rootfs } };
    return { health: 'healthy', detail: `Builds have ${rootfs} as their root.`, facts: { rootfs } };
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume> {
    this.#refuse(request);
    scope.signal.throwIfAborted();
    const home = this.#home(request.sandboxId, request.network === 'host');
    try {
      // First, so that whoever comes after a crash knows where to look.
      await scope.record(home.record(this.name));
      scope.signal.throwIfAborted();
      await home.make();
      scope.signal.throwIfAborted();
      return new RootfsVolume(home);
    } catch (error) {
      await home.remove();
      throw error;
    }
  }

  async prepare(request: SandboxRequest, volume: WorkspaceVolume, scope: PrepareScope): Promise<Sandbox> {
    this.#refuse(request);
    if (!(volume instanceof RootfsVolume)) {
      throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', 'The volume was made by another executor.');
    }
    if (scope.signal.aborted) {
      await volume[Symbol.asyncDispose]();
      scope.signal.throwIfAborted();
    }
    return new RootfsSandbox(volume.home, `rootfs sandbox: ${this.#options.rootfs}, network ${request.network}`);
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    const removed: SandboxId[] = [];
    const failed: { id: SandboxId; error: Error }[] = [];
    for (const id of readdirSync(this.#folder())) {
      signal.throwIfAborted();
      if (keep.has(id)) continue;
      try {
        await this.#home(id, false).remove();
        removed.push(id);
      } catch (error) {
        failed.push({ id, error: RitmoError.from(error, 'RITMO_CLEANUP_FAILED') });
      }
    }
    return { removed, failed };
  }

  /** Sandboxes have been disposed before; what an agent that is gone has left is for `sweep`. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #home(id: SandboxId, hostNetwork: boolean): Home {
    const { rootfs, uid } = this.#options;
    const isRoot = process.getuid?.() === 0;
    return new Home({
      id,
      root: join(this.#folder(), id),
      mark: `${this.#host.ownerId}/${id}`,
      bubblewrap: this.#bubblewrap,
      rootfs,
      hostNetwork,
      user: isRoot ? { uid, gid: uid } : undefined,
      clock: this.#host.clock,
    });
  }

  #folder(): string {
    const folder = join(this.#host.stateDir, 'sandboxes');
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    return folder;
  }

  #refuse(request: SandboxRequest): void {
    const asked =
      (!this.capabilities.network.includes(request.network) && `network ${request.network}`) ||
      (request.image !== undefined && 'an image') ||
      (request.services.length > 0 && 'services') ||
      (Object.keys(request.limits).length > 0 && `limits of ${Object.keys(request.limits).join(', ')}`);
    if (asked === false) return;
    throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The rootfs executor does not offer ${asked}.`, {
      hint: 'Take it out of the job, or name another isolation.',
    });
  }
}

async function problemOf(rootfs: string): Promise<string | undefined> {
  const found = await stat(rootfs).catch(() => undefined);
  if (found?.isDirectory() !== true) return `There is no folder ${rootfs}.`;
  const shell = join(rootfs, 'bin', 'sh');
  return access(shell, constants.X_OK).then(
    () => undefined,
    () => `${rootfs} is no root file system: it has no bin/sh.`,
  );
}

import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Executor,
  type ExecutorCapabilities,
  type ExecutorHost,
  type PrepareScope,
  type ProbeReport,
  RitmoError,
  type SandboxId,
  type SandboxRequest,
  type SweepReport,
} from '@ritmo/agent-core/executor';
import { ReferenceHome, ReferenceSandbox, ReferenceVolume } from './sandbox.js';

/**
 * A small executor that keeps every promise of the contract with plain child processes, to check the kit against.
 * The folders of all owners lie below one root, so that a wrong one can harm others.
 */
export class ReferenceExecutor implements Executor {
  readonly name = 'reference';
  capabilities: ExecutorCapabilities = {
    isolation: 'none',
    defaultNetwork: 'host',
    images: false,
    services: false,
    network: ['host'],
    limits: [],
    os: ['linux'],
    arch: [process.arch === 'arm64' ? 'arm64' : 'x64'],
    separateStderr: true,
    recover: false,
  };
  readonly host: ExecutorHost;
  readonly root: string;

  constructor(host: ExecutorHost, root: string) {
    this.host = host;
    this.root = root;
  }

  async probe(signal: AbortSignal): Promise<ProbeReport> {
    signal.throwIfAborted();
    return { health: 'healthy', detail: 'Starts plain processes.', facts: { pid: process.pid } };
  }

  async allocate(request: SandboxRequest, scope: PrepareScope): Promise<ReferenceVolume> {
    this.refuse(request);
    scope.signal.throwIfAborted();
    const home = this.homeOf(request.sandboxId);
    try {
      await mkdir(home.folder, { recursive: true });
      const state = { folder: home.folder };
      await scope.record({ sandboxId: request.sandboxId, executor: this.name, stateVersion: 1, state });
      scope.signal.throwIfAborted();
      await home.make();
      scope.signal.throwIfAborted();
    } catch (error) {
      await home.remove();
      throw error;
    }
    return this.volumeOf(home);
  }

  async prepare(request: SandboxRequest, volume: ReferenceVolume, scope: PrepareScope): Promise<ReferenceSandbox> {
    this.refuse(request);
    if (scope.signal.aborted) {
      await volume[Symbol.asyncDispose]();
      scope.signal.throwIfAborted();
    }
    return this.sandboxOf(request.sandboxId, volume.home);
  }

  async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    const removed: SandboxId[] = [];
    for (const id of await readdir(join(this.root, this.host.ownerId)).catch(() => [])) {
      signal.throwIfAborted();
      if (keep.has(id)) continue;
      await this.homeOf(id).remove();
      removed.push(id);
    }
    return { removed, failed: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Gone already, or still in use by an agent that takes over.
    await rmdir(join(this.root, this.host.ownerId)).catch(() => undefined);
    await rm(join(this.host.stateDir, 'cache'), { recursive: true, force: true });
  }

  homeOf(id: SandboxId): ReferenceHome {
    return new ReferenceHome(join(this.root, this.host.ownerId, id), `${this.host.ownerId}/${id}`);
  }

  volumeOf(home: ReferenceHome): ReferenceVolume {
    return new ReferenceVolume(home);
  }

  sandboxOf(id: SandboxId, home: ReferenceHome): ReferenceSandbox {
    return new ReferenceSandbox(id, home);
  }

  refuse(request: SandboxRequest): void {
    const { capabilities } = this;
    const wrong =
      (!capabilities.network.includes(request.network) && `network ${request.network}`) ||
      (request.image !== undefined && 'an image') ||
      (request.services.length > 0 && 'services') ||
      (request.profile === 'hardened' && 'profile hardened') ||
      (Object.keys(request.limits).length > 0 && `limits of ${Object.keys(request.limits).join(', ')}`);
    if (wrong !== false) throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The reference executor has no ${wrong}.`);
  }
}

import { readdirSync, statSync } from 'node:fs';
import type { SandboxId, SandboxRequest } from '@ritmo/agent-core/executor';
import { findByEnvironment, type MemoryFolder, removeTree, signalProcess, unlessErrno } from '@ritmo/host-linux';
import { RemoteCalls } from '../../docker/remote-calls.js';
import { labelNames } from '../../job/names.js';
import { removeLabelled } from '../../job/remove.js';
import type { Way, WayJob } from '../way.js';
import { RemoteJob, remoteFolders, type RemoteHost } from './remote-job.js';

export interface RemoteWaySettings {
  readonly host: RemoteHost;
  /** Where the folders of jobs lie on this host. */
  readonly sandboxes: string;
  readonly memory: MemoryFolder;
}

/**
 * Jobs of a daemon that shares no file system with the agent: steps are commands beside the main process, files go in and
 * out as archives, and no job outlives its agent, so that there is nothing to recover.
 */
export class RemoteWay implements Way {
  readonly name = 'remote';
  readonly #settings: RemoteWaySettings;

  constructor(settings: RemoteWaySettings) {
    this.#settings = settings;
  }

  newJob(request: SandboxRequest, onDisposed: (job: WayJob) => void): WayJob {
    const { host, sandboxes, memory } = this.#settings;
    return new RemoteJob(host, remoteFolders(sandboxes, memory.path, request.sandboxId), request, onDisposed);
  }

  async found(): Promise<string[]> {
    const { host, sandboxes, memory } = this.#settings;
    const named = [sandboxes, memory.path].flatMap(
      (folder) => unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? [],
    );
    const label = `${labelNames.owner}=${host.ownerId}`;
    const [containers, volumes] = await Promise.all([
      host.docker.listContainers(label),
      new RemoteCalls(host.docker).listVolumes(label),
    ]);
    return [...named, ...[...containers, ...volumes].flatMap(({ labels }) => labels[labelNames.sandbox] ?? [])];
  }

  async remove(id: SandboxId): Promise<void> {
    const { host, sandboxes, memory } = this.#settings;
    for (const target of findByEnvironment(`RITMO_SANDBOX=${host.ownerId}/${id}`)) signalProcess(target, 'SIGKILL');
    await removeLabelled(host, id);
    const calls = new RemoteCalls(host.docker);
    const ours = await calls.listVolumes(`${labelNames.owner}=${host.ownerId}`);
    for (const { id: name, labels } of ours) if (labels[labelNames.sandbox] === id) await calls.removeVolume(name);
    const folders = remoteFolders(sandboxes, memory.path, id);
    await removeTree(folders.memory);
    await removeTree(folders.root);
  }

  problem(): string | undefined {
    const { sandboxes } = this.#settings;
    const there = unlessErrno(['ENOENT', 'ENOTDIR', 'EACCES'], () => statSync(sandboxes));
    return there === undefined ? `${sandboxes} is gone; start the agent again.` : undefined;
  }

  async close({ open }: { readonly open: number }): Promise<PromiseSettledResult<unknown>[]> {
    const { memory, host } = this.#settings;
    const ended = open > 0 ? [] : await Promise.allSettled([memory[Symbol.asyncDispose]()]);
    return [...ended, ...(await Promise.allSettled([host.pool[Symbol.asyncDispose]()]))];
  }
}

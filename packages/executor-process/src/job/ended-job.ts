import { lstatSync } from 'node:fs';
import type { CollectedEntry, CollectRequest, EndedSandbox } from '@ritmo/agent-core/executor';
import { collectFiles, type Owner, removeTree, unlessErrno, unmountBelow } from '@ritmo/host-linux';
import { type JobFolders, jobFolders } from './folders.js';

/** Where an agent that died kept the workspace of a job, and whose it is. Undefined where it is gone, or not mounted. */
export function findWorkspace(
  sandboxes: string,
  memory: string,
  id: string,
): { readonly folders: JobFolders; readonly owner: Owner } | undefined {
  for (const ownDisk of [true, false]) {
    const folders = jobFolders(sandboxes, memory, id, ownDisk);
    const stat = unlessErrno(['ENOENT', 'ENOTDIR'], () => lstatSync(folders.workspace));
    if (stat?.isDirectory() === true) return { folders, owner: { uid: stat.uid, gid: stat.gid } };
  }
  return undefined;
}

/** What a job left of which nothing runs any more. */
export class EndedJob implements EndedSandbox {
  readonly id: string;
  readonly #folders: JobFolders;
  readonly #onDisposed: () => void;

  constructor(id: string, folders: JobFolders, onDisposed: () => void) {
    this.id = id;
    this.#folders = folders;
    this.#onDisposed = onDisposed;
  }

  collect(request: CollectRequest, signal: AbortSignal): AsyncIterable<CollectedEntry> {
    return collectFiles(this.#folders.workspace, request, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unmountBelow(this.#folders.root);
    await removeTree(this.#folders.memory);
    await removeTree(this.#folders.root);
    this.#onDisposed();
  }
}

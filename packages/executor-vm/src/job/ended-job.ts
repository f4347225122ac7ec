import { lstatSync } from 'node:fs';
import { type CollectedEntry, type CollectRequest, type EndedSandbox, RitmoError } from '@ritmo/agent-core/executor';
import { fromSpool, removeTree, unlessErrno } from '@ritmo/host-linux';
import { takenBefore } from '../files/taken-out.js';
import type { JobFolders } from './folders.js';

/**
 * Whether anything has left the machine of a job whose agent died. Not after a restart of this host, which takes the
 * folder in memory: what was written last may not be on the disk then.
 */
export function leftFiles({ spool, memory }: JobFolders): boolean {
  return [spool, memory].every(
    (folder) => unlessErrno(['ENOENT', 'ENOTDIR'], () => lstatSync(folder))?.isDirectory() === true,
  );
}

/** What had left the machine of a job when the machine ended with its agent. */
export class EndedJob implements EndedSandbox {
  readonly id: string;
  readonly #folders: JobFolders;

  constructor(id: string, folders: JobFolders) {
    this.id = id;
    this.#folders = folders;
  }

  /** Rejects with RITMO_SANDBOX_BROKEN where not all that these patterns mean had left the machine. */
  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    const { spool } = this.#folders;
    const entries = takenBefore(spool, request);
    if (entries === undefined)
      throw new RitmoError(
        'RITMO_SANDBOX_BROKEN',
        `The machine ended with its agent before the files of ${request.include.join(', ')} had left it.`,
        { hint: 'Run the job again.' },
      );
    for (const entry of entries) {
      signal.throwIfAborted();
      yield fromSpool(spool, entry);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.#folders.memory);
    await removeTree(this.#folders.root);
  }
}

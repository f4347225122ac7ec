import { closeSync, constants, openSync } from 'node:fs';
import type { CollectRequest } from '@ritmo/agent-core/executor';
import { ClaimedFiles, type Spool, type SpooledEntry, TimeSlice } from '@ritmo/host-linux';
import type { Inode } from '../ext4/inode.js';
import { demand } from '../ext4/unreadable.js';
import { Volume } from '../ext4/volume.js';

/** The name of the workspace on the disk of a job. */
const workspaceName = 'workspace';
/** As deep as any executor looks. */
const mostDepth = 256;

/**
 * Takes what the patterns mean from the disk of a machine, which has written all that it knows; sorted by path. The
 * machine may go on and write: then what is read is no whole file, as with any other way. Rejects with
 * {@link Unreadable}, or RITMO_ARTIFACT_LIMIT.
 */
export async function collectFromDisk(
  path: string,
  request: CollectRequest,
  spool: Spool,
  signal: AbortSignal,
): Promise<SpooledEntry[]> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const volume = new Volume(fd);
    const workspace = volume.find(volume.root(), workspaceName);
    demand(workspace?.kind === 'folder', 'no workspace');
    const files = new ClaimedFiles(request, spool);
    using bodies = spool.open();
    const take = (name: string, inode: Inode) => {
      const target = inode.kind === 'link' ? volume.target(inode) : '';
      const kind = inode.kind === 'folder' ? 'special' : inode.kind;
      const { mode, mtimeMs, size } = inode;
      return files.take({ name, kind, mode, mtimeMs, size, target }, pieces(volume, inode, signal), bodies);
    };
    await new Walk(volume, files, signal).below(workspace, [], take);
    return files.spooled();
  } finally {
    closeSync(fd);
  }
}

class Walk {
  readonly #volume: Volume;
  readonly #files: ClaimedFiles;
  readonly #signal: AbortSignal;
  readonly #slice = new TimeSlice();
  /** Folders lie in one place only: without that there would be circles. */
  readonly #seen = new Set<number>();

  constructor(volume: Volume, files: ClaimedFiles, signal: AbortSignal) {
    this.#volume = volume;
    this.#files = files;
    this.#signal = signal;
  }

  async below(
    folder: Inode,
    parents: readonly string[],
    take: (name: string, inode: Inode) => Promise<unknown>,
  ): Promise<void> {
    for (const { name, inode: number } of this.#volume.names(folder)) {
      this.#signal.throwIfAborted();
      if (this.#slice.due()) await this.#slice.next();
      const parts = [...parents, name];
      const path = parts.join('/');
      const inode = this.#volume.inode(number);
      if (inode.kind !== 'folder') await take(path, inode);
      else if (parts.length < mostDepth && this.#files.reachesInto(path)) {
        demand(!this.#seen.has(number), 'a folder in two places');
        this.#seen.add(number);
        await this.below(inode, parts, take);
      }
    }
  }
}

async function* pieces(volume: Volume, file: Inode, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const slice = new TimeSlice();
  for (const piece of volume.content(file)) {
    signal.throwIfAborted();
    if (slice.due()) await slice.next();
    yield piece;
  }
}

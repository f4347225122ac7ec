import { chmodSync, chownSync, mkdirSync, statfsSync } from 'node:fs';
import { isNearlyFull, mountLoopVolume, type Owner, type TreeSize, treeSize } from '@ritmo/host-linux';
import type { JobFolders } from './folders.js';

/** `volume`: a file system of that size, mounted; `watched`: what is there is counted again and again. */
export type DiskKind = 'volume' | 'watched';

export interface DiskSettings {
  readonly kind: DiskKind;
  readonly folders: JobFolders;
  /** Undefined where there is no limit. */
  readonly limitBytes: number | undefined;
}

/** What a job writes to disk: workspace and HOME here, and its container's own layer with the daemon. */
export class JobDisk {
  readonly #settings: DiskSettings;
  readonly #mounted: boolean;

  constructor(settings: DiskSettings) {
    this.#settings = settings;
    this.#mounted = settings.kind === 'volume' && settings.limitBytes !== undefined;
  }

  /** Makes the folders: on a volume of the limit's size where that is how it is held. */
  async make(owner: Owner | undefined): Promise<void> {
    const { folders, limitBytes } = this.#settings;
    if (this.#mounted && limitBytes !== undefined) {
      await mountLoopVolume({ image: folders.diskImage, path: folders.disk, bytes: limitBytes });
    } else {
      mkdirSync(folders.disk, { mode: 0o711 });
      chmodSync(folders.disk, 0o711);
    }
    for (const folder of [folders.workspace, folders.home]) {
      mkdirSync(folder, { mode: 0o700 });
      if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
    }
  }

  /** Whether a job has used up the volume that limits it. */
  isFull(): boolean {
    if (!this.#mounted) return false;
    try {
      return isNearlyFull(this.#settings.folders.disk);
    } catch {
      return false;
    }
  }

  /** What the folders take now. */
  async used(signal: AbortSignal, enough = Number.POSITIVE_INFINITY): Promise<TreeSize> {
    const { folders } = this.#settings;
    if (!this.#mounted) return await treeSize([folders.workspace, folders.home], { signal, enough });
    const { blocks, bfree, bsize } = statfsSync(folders.disk);
    return { bytes: (blocks - bfree) * bsize, entries: 0, hidden: 0, complete: true };
  }

  /** What counts against the limit without being held by a volume: all of it, or the container's layer alone. */
  async watched(layer: () => Promise<number>, inside: InsideSize, signal: AbortSignal): Promise<Counted> {
    const bytes = await layer();
    if (this.#mounted) return { bytes, complete: true };
    const enough = (this.#settings.limitBytes ?? Number.POSITIVE_INFINITY) - bytes;
    const tree = await this.used(signal, enough);
    if (tree.hidden === 0 || !tree.complete) return { bytes: bytes + tree.bytes, complete: tree.complete };
    // What a build has closed to the agent is counted by a container of ours that may look into it.
    return { bytes: bytes + (await inside(signal)), complete: true };
  }
}

type Counted = Pick<TreeSize, 'bytes' | 'complete'>;

/** Counts the folders from inside of a container that may look into all of them. */
export type InsideSize = (signal: AbortSignal) => Promise<number>;

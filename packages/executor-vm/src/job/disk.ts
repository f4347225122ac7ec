import { chownSync, closeSync, ftruncateSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { type Owner, runConfined } from '@ritmo/host-linux';

/** The file system needs room for itself. */
export const leastDiskBytes = 16 * 1024 * 1024;
const sectorBytes = 512;

export interface JobDiskSettings {
  readonly bubblewrap: string;
  readonly mke2fs: string;
  /** The file of the disk; made by `open`. */
  readonly image: string;
  /** What it is filled with: holds `workspace`. */
  readonly content: string;
  readonly bytes: number;
  readonly user: Owner | undefined;
  readonly inside: Owner;
  readonly mark: string;
}

/** Makes an empty disk that the user may write. Returns a descriptor. */
export function openDisk(path: string, bytes: number, user: Owner | undefined): number {
  const fd = openSync(path, 'wx+', 0o600);
  try {
    ftruncateSync(fd, bytes);
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** All that a machine can write to: its workspace, and what it changes of its image. */
export class JobDisk {
  readonly #settings: JobDiskSettings;

  constructor(settings: JobDiskSettings) {
    this.#settings = settings;
  }

  /** What the machine may write; whole sectors. */
  get bytes(): number {
    return Math.ceil(Math.max(this.#settings.bytes, leastDiskBytes) / sectorBytes) * sectorBytes;
  }

  /** Makes the empty disk, and returns a descriptor for the machine. */
  open(): number {
    return openDisk(this.#settings.image, this.bytes, this.#settings.user);
  }

  /** Empties the disk that a machine has open already, and gives it this size. Returns a descriptor, too. */
  clear(): number {
    const fd = openSync(this.#settings.image, 'r+');
    for (const size of [0, this.bytes]) ftruncateSync(fd, size);
    return fd;
  }

  /**
   * Puts a file system with the workspace onto it: made by a process of the job's user that sees nothing else, since
   * what is checked out is as hostile as what is built. From then on nobody mounts it on this host, and no program reads
   * it but our own reader of files.
   */
  async fill(signal: AbortSignal): Promise<void> {
    const { image, content, inside, bytes, user, mark, bubblewrap, mke2fs } = this.#settings;
    // The place of the workspace too: made on the running machine it costs more.
    for (const name of ['upper', 'work', 'upper/workspace']) {
      mkdirSync(join(content, name), { mode: 0o755 });
      if (user !== undefined) chownSync(join(content, name), user.uid, user.gid);
    }
    // No journal: nothing of it is read after a crash. No room kept back for root.
    const features = ['-t', 'ext4', '-O', '^has_journal,^metadata_csum,uninit_bg,^resize_inode', '-m', '0'];
    const owner = `root_owner=${inside.uid}:${inside.gid}`;
    try {
      await runConfined(
        {
          bubblewrap,
          argv: [
            mke2fs,
            '-q',
            '-F',
            ...features,
            '-E',
            `lazy_itable_init=1,nodiscard,${owner}`,
            '-d',
            '/content',
            '/disk',
          ],
          env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', MKE2FS_SKIP_PROGRESS: '1' },
          user,
          inside,
          cwd: '/',
          binds: [
            { source: content, target: '/content', writable: false },
            { source: image, target: '/disk', writable: true },
          ],
          capabilities: ['CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'],
          mark,
          unsynced: true,
        },
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      const said = error instanceof Error ? error.message : String(error);
      const full = /Could not allocate|No space|not enough space|too small/i.test(said);
      throw new RitmoError(
        full ? 'RITMO_NO_ROOM' : 'RITMO_SANDBOX_BROKEN',
        full
          ? `The workspace does not fit onto the disk of ${Math.round(bytes / 1024 / 1024)} MiB that the job may fill.`
          : `The disk of the machine could not be made: ${said}`,
        { hint: full ? 'Raise `limits.disk`.' : 'See the words of mke2fs.', cause: error },
      );
    }
  }

  /** Bytes that it takes on this host. */
  used(): number {
    return (statSync(this.#settings.image, { throwIfNoEntry: false })?.blocks ?? 0) * sectorBytes;
  }
}

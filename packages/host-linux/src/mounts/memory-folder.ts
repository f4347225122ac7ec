import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { errnoOf, unlessErrno } from '../errno.js';
import { removeTree } from '../files/remove-tree.js';
import { mount, unmountBelow } from './mount.js';
import { listMounts, mountPath } from './mount-table.js';

/** What the table of mounts names as the source of ours. */
export const mountSource = 'ritmo';

/** `shm` is a folder of /dev/shm; `disk` means that there was no memory to be had. */
export type MemoryKind = 'tmpfs-noswap' | 'ramfs' | 'shm' | 'disk';

/** A folder of mode 0711 for what must not reach a disk. */
export interface MemoryFolder extends AsyncDisposable {
  readonly path: string;
  readonly kind: MemoryKind;
  /** Whether what it holds may still be written to a disk: by swapping, or since it is on one. */
  readonly mayReachDisk: boolean;
}

export interface MemoryFolderRequest {
  /** Where it is mounted; the folder is made. Also where it lies when there is no memory to be had. */
  readonly path: string;
  /** The most it holds, where the kind can limit it. */
  readonly maxBytes: number;
}

/**
 * The best memory-backed folder that this host gives us: a tmpfs that is not swapped or a ramfs when we may mount,
 * else a folder in /dev/shm, else one on disk; `kind` says which. One that a killed process left mounted is taken
 * over with what it holds. Disposing removes it.
 */
export async function openMemoryFolder(request: MemoryFolderRequest): Promise<MemoryFolder> {
  mkdirSync(request.path, { recursive: true, mode: 0o711 });
  const mounted = mountedKind(request.path) ?? (await tryMount(request));
  if (mounted !== undefined) return new Opened(request.path, mounted, false);
  const shm = sharedMemoryFolder(request.path);
  if (shm !== undefined) return new Opened(shm, 'shm', hasSwap(), request.path);
  chmodSync(request.path, 0o711);
  return new Opened(request.path, 'disk', true);
}

class Opened implements MemoryFolder {
  readonly path: string;
  readonly kind: MemoryKind;
  readonly mayReachDisk: boolean;
  readonly #unused: string | undefined;

  constructor(path: string, kind: MemoryKind, mayReachDisk: boolean, unused?: string) {
    this.path = path;
    this.kind = kind;
    this.mayReachDisk = mayReachDisk;
    this.#unused = unused;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.kind === 'tmpfs-noswap' || this.kind === 'ramfs') await unmountBelow(this.path);
    await removeTree(this.path);
    if (this.#unused !== undefined) await removeTree(this.#unused);
  }
}

function mountedKind(path: string): MemoryKind | undefined {
  const place = mountPath(path);
  const type = listMounts().findLast((entry) => entry.path === place)?.type;
  return type === 'tmpfs' ? 'tmpfs-noswap' : type === 'ramfs' ? 'ramfs' : undefined;
}

async function tryMount({ path, maxBytes }: MemoryFolderRequest): Promise<MemoryKind | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const common = 'mode=0711,nosuid,nodev';
  const tries: ReadonlyArray<readonly [MemoryKind, readonly string[]]> = [
    ['tmpfs-noswap', ['-t', 'tmpfs', '-o', `noswap,size=${maxBytes},${common}`, mountSource, path]],
    ['ramfs', ['-t', 'ramfs', '-o', common, mountSource, path]],
  ];
  for (const [kind, args] of tries) {
    try {
      await mount(args);
      chmodSync(path, 0o711);
      return kind;
    } catch {
      // An older kernel has no noswap, a container may not mount: the next kind is tried.
    }
  }
  return undefined;
}

/** A folder of ours in /dev/shm, named by the place it stands for; one that somebody else put there is not taken. */
function sharedMemoryFolder(place: string): string | undefined {
  if (!existsSync('/dev/shm') || statfsSync('/dev/shm').type !== tmpfsMagic) return undefined;
  const path = `/dev/shm/ritmo-${createHash('sha256').update(place).digest('hex').slice(0, 24)}`;
  try {
    mkdirSync(path, { mode: 0o711 });
    chmodSync(path, 0o711);
    return path;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') return undefined;
  }
  const stat = lstatSync(path);
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0 ? path : undefined;
}

const tmpfsMagic = 0x01021994;

function hasSwap(): boolean {
  const text = unlessErrno(['ENOENT', 'EACCES'], () => readFileSync('/proc/swaps', 'utf8'));
  return text === undefined || text.trim().split('\n').length > 1;
}

import { closeSync, constants, existsSync, fstatSync, openSync, realpathSync, type Stats } from 'node:fs';
import { opendir } from 'node:fs/promises';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

const readAtOnce = 256;

/** What a folder holds under one name. `other` is a device, a FIFO or a socket. */
export interface FolderItem {
  readonly name: Buffer;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

/**
 * An open folder. Names are looked up below its descriptor, so nobody can put a link into the way; where the
 * system has no /proc/self/fd, below its path, which is checked when it is opened: good against mistakes only.
 */
export class Folder implements Disposable {
  readonly fd: number;
  /** What file system calls take in place of this folder's path. */
  readonly #base: Buffer;
  #isOpen = true;

  private constructor(fd: number, base: Buffer) {
    this.fd = fd;
    this.#base = base;
  }

  /** Opens a folder by a path that the caller trusts; its last part may not be a link. */
  static open(path: string): Folder {
    return Folder.#open(Buffer.from(path));
  }

  /** Not after it was disposed: its descriptor may be another file's then. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Opens a folder in this one. Throws ENOTDIR or ELOOP for anything else under that name. */
  folder(name: Buffer): Folder {
    return Folder.#open(this.at(name));
  }

  /** Opens a file in this folder without following a link and without waiting for a FIFO's other end. */
  file(name: Buffer, flags: number = O_RDONLY, mode?: number): number {
    return openSync(this.at(name), flags | O_NOFOLLOW | O_NONBLOCK, mode);
  }

  /** A path for calls that do not follow a link in their last part (lstat, readlink, unlink, rmdir, rename). */
  at(name: Buffer): Buffer {
    return Buffer.concat([this.#base, separator, name]);
  }

  /** What it holds, in the system's order, read bit by bit: a folder may hold more than fits into memory. */
  async *items(): AsyncGenerator<FolderItem> {
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize: readAtOnce };
    for await (const entry of await opendir(this.#base, options)) {
      // The types know names as text only.
      const name = entry.name as unknown as Buffer;
      yield {
        name,
        kind: entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'other',
      };
    }
  }

  /** The first of what it holds, so many at most. */
  async someItems(most: number): Promise<FolderItem[]> {
    const found: FolderItem[] = [];
    for await (const item of this.items()) {
      found.push(item);
      if (found.length >= most) break;
    }
    return found;
  }

  stat(): Stats {
    return fstatSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.#isOpen = false;
    closeSync(this.fd);
  }

  static #open(path: Buffer): Folder {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return new Folder(fd, hasDescriptorPaths() ? Buffer.from(`/proc/self/fd/${fd}`) : plainPath(path));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

const separator = Buffer.from('/');

/** Whether folders can be addressed by descriptor here: true on Linux with /proc. */
export function hasDescriptorPaths(): boolean {
  return process.platform === 'linux' && existsSync('/proc/self/fd');
}

/** The path itself, when its last part is what it seems to be and no link leads elsewhere. */
function plainPath(path: Buffer): Buffer {
  const at = path.lastIndexOf(0x2f);
  const parent = realpathSync(path.subarray(0, Math.max(at, 1)), { encoding: 'buffer' });
  const expected = Buffer.concat([parent, separator, path.subarray(at + 1)]);
  if (!realpathSync(path, { encoding: 'buffer' }).equals(expected)) {
    throw Object.assign(new Error('a link stands in the way'), { code: 'ELOOP' });
  }
  return expected;
}

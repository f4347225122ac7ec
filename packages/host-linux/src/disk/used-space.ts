import { lstatSync, statSync } from 'node:fs';
import { unlessErrno } from '../errno.js';
import { Folder } from '../files/folder.js';
import { TimeSlice } from '../time-slice.js';

const unreadable = ['ENOENT', 'EACCES', 'ENOTDIR', 'ELOOP', 'EPERM'];

/**
 * Bytes on disk of all that lies below some folders, each file counted once; no link is followed, no other file
 * system entered. What cannot be looked into, or vanishes meanwhile, is not counted. Stops at `enough`.
 */
export async function usedSpace(
  folders: readonly string[],
  signal: AbortSignal,
  enough = Number.POSITIVE_INFINITY,
): Promise<number> {
  const count = new Count(signal, enough);
  for (const path of folders) {
    const device = unlessErrno(unreadable, () => statSync(path))?.dev;
    const folder = unlessErrno(unreadable, () => Folder.open(path));
    if (folder === undefined || device === undefined) continue;
    using top = folder;
    await count.add(top, device);
  }
  return count.bytes;
}

class Count {
  bytes = 0;
  readonly #seen = new Set<number>();
  readonly #slice = new TimeSlice();
  readonly #signal: AbortSignal;
  readonly #enough: number;

  constructor(signal: AbortSignal, enough: number) {
    this.#signal = signal;
    this.#enough = enough;
  }

  async add(folder: Folder, device: number): Promise<void> {
    const folders: Buffer[] = [];
    for await (const { name, kind } of folder.items()) {
      this.#signal.throwIfAborted();
      if (this.bytes > this.#enough) return;
      if (this.#slice.due()) await this.#slice.next();
      const stat = unlessErrno(unreadable, () => lstatSync(folder.at(name)));
      if (stat === undefined || stat.dev !== device) continue;
      if (stat.nlink > 1 && kind !== 'folder') {
        if (this.#seen.has(stat.ino)) continue;
        this.#seen.add(stat.ino);
      }
      this.bytes += stat.blocks * 512;
      if (kind === 'folder') folders.push(name);
    }
    for (const name of folders) {
      const inner = unlessErrno([...unreadable, 'EMFILE', 'ENAMETOOLONG'], () => folder.folder(name));
      if (inner === undefined) continue;
      using below = inner;
      await this.add(below, device);
    }
  }
}

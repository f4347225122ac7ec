import { closeSync, fstatSync, read, readSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { RitmoError } from '@ritmo/agent-core/executor';
import { Folder } from './folder.js';

const readAsync = promisify(read);
const chunkBytes = 256 * 1024;
const intoBytes = 1024 * 1024;

/**
 * Reads an open file from `start` up to but without `end`, in chunks of at most 256 KiB; into `into`, where that is given,
 * in chunks of at most 1 MiB.
 */
export async function* readOpenFile(
  fd: number,
  start: number,
  end: number,
  shown: string,
  into?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const buffer = into
      ? into.subarray(at - start, Math.min(end - start, at - start + intoBytes))
      : Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
    // A short file is in the page cache or one seek away; the thread pool would cost more than the read.
    const bytesRead =
      end - start <= chunkBytes
        ? readSync(fd, buffer, 0, buffer.length, at)
        : (await readAsync(fd, buffer, 0, buffer.length, at)).bytesRead;
    if (bytesRead === 0) throw changed(shown);
    at += bytesRead;
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  }
}

/** A file as it was when it was found: reading it again needs it to be the same still. */
export interface FoundFile {
  readonly root: string;
  readonly names: readonly Buffer[];
  readonly stat: Stats;
  readonly shown: string;
}

/** Which bytes of a found file, and where they go; `folder` is the one around it, where that may be open still. */
export interface FoundPart {
  readonly start: number;
  readonly end: number;
  readonly into?: Uint8Array | undefined;
  readonly folder?: Folder;
}

/** Opens the file again by descriptors and reads a part of it; rejects when it is not what was found. */
export async function* readAgain(found: FoundFile, part: FoundPart): AsyncGenerator<Uint8Array> {
  const { start, end, into } = part;
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end)) || start < 0 || end > found.stat.size) {
    throw new RangeError(`${start} to ${end} is no part of a file of ${found.stat.size} bytes`);
  }
  const fd = reopen(found, part.folder);
  try {
    assertSame(found, fstatSync(fd));
    yield* readOpenFile(fd, start, end, found.shown, into);
    assertSame(found, fstatSync(fd));
  } finally {
    closeSync(fd);
  }
}

function reopen({ root, names, shown }: FoundFile, around: Folder | undefined): number {
  const name = names.at(-1) ?? Buffer.alloc(0);
  try {
    if (around?.isOpen === true) return around.file(name);
    using folder = openFolderOf(root, names.slice(0, -1));
    return folder.file(name);
  } catch (error) {
    throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} cannot be read any more.`, { cause: error });
  }
}

function openFolderOf(root: string, names: readonly Buffer[]): Folder {
  let folder = Folder.open(root);
  for (const name of names) {
    using outer = folder;
    folder = outer.folder(name);
  }
  return folder;
}

function assertSame({ stat, shown }: FoundFile, now: Stats): void {
  const same = now.dev === stat.dev && now.ino === stat.ino && now.size === stat.size && now.mtimeMs === stat.mtimeMs;
  if (!same) throw changed(shown);
}

/** The error of a file that is not what it was when it was found. */
export function changed(shown: string): RitmoError {
  return new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} changed while it was read.`, { retryable: false });
}

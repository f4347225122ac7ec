import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  symlinkSync,
  unlinkSync,
  write,
} from 'node:fs';
import { promisify } from 'node:util';
import { type FileEntry, RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf, unlessErrno } from '../errno.js';
import { Folder } from './folder.js';
import { removeItem } from './remove-tree.js';

const writeAsync = promisify(write);
const { O_WRONLY, O_CREAT, O_EXCL } = constants;

/** Who is to own what is written; nobody is asked where absent. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Writes files below `root`, in the folder `dest` (relative, '' for the root). What was there under the name is
 * replaced, never written through; a link in the way of a folder is an error (RITMO_WORKSPACE_ESCAPE).
 */
export async function writeFiles(
  root: string,
  dest: string,
  files: AsyncIterable<FileEntry> | Iterable<FileEntry>,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  const below = partsOf(dest);
  for await (const entry of files) {
    signal.throwIfAborted();
    const path = entry.pathBytes === undefined ? entry.path : Buffer.from(entry.pathBytes).toString('latin1');
    const parts = partsOf(path, entry.pathBytes === undefined ? 'utf8' : 'latin1');
    const name = parts.pop();
    if (name === undefined) throw escape(entry.path);
    using folder = openFolders(root, [...below, ...parts], owner);
    await removeItem(folder, name);
    if (entry.kind === 'link') writeLink(folder, name, entry.target, owner);
    else await writeFile(folder, name, entry, owner, signal);
  }
}

/** Removes files and folders below `root`; what is not there is no error. No link is followed on the way. */
export async function removePaths(root: string, paths: readonly string[], signal: AbortSignal): Promise<void> {
  for (const path of paths) {
    signal.throwIfAborted();
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw escape(path);
    const folder = unlessErrno(['ENOENT', 'ENOTDIR'], () => openFolders(root, parts, undefined, false));
    if (folder === undefined) continue;
    using opened = folder;
    await removeItem(opened, name);
  }
}

/** Makes sure that a folder, or an empty file, is there below `root`, made by no link: the place for a mount. */
export function makePlace(root: string, path: string, kind: 'folder' | 'file', owner: Owner | undefined): void {
  const parts = partsOf(path);
  if (kind === 'folder') {
    openFolders(root, parts, owner)[Symbol.dispose]();
    return;
  }
  const name = parts.pop();
  if (name === undefined) throw escape(path);
  using folder = openFolders(root, parts, owner);
  const there = unlessErrno(['ENOENT'], () => lstatSync(folder.at(name)));
  if (there?.isFile() === true) return;
  if (there !== undefined) throw escape(path);
  const fd = folder.file(name, O_WRONLY | O_CREAT | O_EXCL, 0o644);
  if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
  closeSync(fd);
}

/** Opens the folder at the end of the names, making those that miss. */
function openFolders(root: string, names: readonly Buffer[], owner: Owner | undefined, make = true): Folder {
  let folder = Folder.open(root);
  try {
    for (const name of names) {
      const made = make && unlessErrno(['EEXIST'], () => mkdirSync(folder.at(name), 0o755) ?? true) === true;
      const inner = folder.folder(name);
      folder[Symbol.dispose]();
      folder = inner;
      if (made && owner !== undefined) fchownSync(folder.fd, owner.uid, owner.gid);
    }
    return folder;
  } catch (error) {
    folder[Symbol.dispose]();
    const code = errnoOf(error);
    if (make && (code === 'ELOOP' || code === 'ENOTDIR')) throw escape(Buffer.concat(names).toString(), error);
    throw error;
  }
}

async function writeFile(
  folder: Folder,
  name: Buffer,
  entry: Extract<FileEntry, { kind: 'file' }>,
  owner: Owner | undefined,
  signal: AbortSignal,
): Promise<void> {
  const fd = folder.file(name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for await (const chunk of entry.body) {
      signal.throwIfAborted();
      for (let at = 0; at < chunk.length; ) at += (await writeAsync(fd, chunk, at, chunk.length - at)).bytesWritten;
    }
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, entry.mode);
    futimesSync(fd, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  } catch (error) {
    unlinkSync(folder.at(name));
    throw error;
  } finally {
    closeSync(fd);
  }
}

function writeLink(folder: Folder, name: Buffer, target: string, owner: Owner | undefined): void {
  symlinkSync(target, folder.at(name));
  if (owner !== undefined) lchownSync(folder.at(name), owner.uid, owner.gid);
}

function partsOf(path: string, encoding: BufferEncoding = 'utf8'): Buffer[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || path.includes('\0')) throw escape(path);
  return parts.map((part) => Buffer.from(part, encoding));
}

function escape(path: string, cause?: unknown): RitmoError {
  return new RitmoError(
    'RITMO_WORKSPACE_ESCAPE',
    `The path "${path}" is absolute, or leads through a link or a file.`,
    {
      cause,
    },
  );
}

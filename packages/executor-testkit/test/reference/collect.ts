import { accessSync, constants, lstatSync } from 'node:fs';
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { type CollectedEntry, type CollectRequest, RitmoError } from '@ritmo/agent-core/executor';
import picomatch from 'picomatch';

interface Found {
  /** Relative to the workspace, as the file system has it. */
  readonly bytes: Buffer;
  readonly path: string;
}

/** Streams what matches out of a folder in which nothing runs any more. */
export async function* collectFiles(
  workdir: string,
  request: CollectRequest,
  signal: AbortSignal,
): AsyncGenerator<CollectedEntry> {
  const matches = matcher(request);
  let files = 0;
  let bytes = 0;
  for await (const found of walk(workdir, Buffer.alloc(0))) {
    signal.throwIfAborted();
    if (!matches(found.path)) continue;
    const entry = await entryOf(workdir, found);
    if (entry.kind !== 'refused') {
      files += 1;
      if (entry.kind === 'file') bytes += entry.size;
      if (files > request.maxFiles || bytes > request.maxBytes) {
        throw new RitmoError('RITMO_ARTIFACT_LIMIT', 'The artifacts are more than allowed.');
      }
    }
    yield entry;
    signal.throwIfAborted();
  }
}

function matcher(request: CollectRequest): (path: string) => boolean {
  // A name may hold a newline, which a plain `.` of a regular expression does not match.
  const options = { dot: request.dotfiles, posixSlashes: false, flags: 's' };
  const inside = (pattern: string) => !pattern.startsWith('/') && !pattern.split('/').includes('..');
  const compile = (patterns: readonly string[]) =>
    patterns.filter(inside).flatMap((pattern) => [picomatch(pattern, options), picomatch(`${pattern}/**`, options)]);
  const include = compile(request.include);
  const exclude = compile(request.exclude);
  const named = request.include.some((pattern) => pattern.split('/').includes('.git'));
  return (path) => {
    if (!named && (path === '.git' || path.startsWith('.git/'))) return false;
    return include.some((match) => match(path)) && !exclude.some((match) => match(path));
  };
}

async function* walk(workdir: string, below: Buffer): AsyncGenerator<Found> {
  const names = await readdir(join(workdir, below), { encoding: 'buffer', withFileTypes: true }).catch(() => []);
  for (const name of names) {
    const bytes = below.length === 0 ? name.name : Buffer.concat([below, Buffer.from('/'), name.name]);
    if (name.isDirectory()) yield* walk(workdir, bytes);
    else yield { bytes, path: bytes.toString() };
  }
}

const join = (workdir: string, below: Buffer) => Buffer.concat([Buffer.from(`${workdir}/`), below]);

async function entryOf(workdir: string, { bytes, path }: Found): Promise<CollectedEntry> {
  const full = join(workdir, bytes);
  const stat = lstatSync(full);
  const pathBytes = Buffer.from(path).equals(bytes) ? {} : { pathBytes: bytes };
  const base = { path, ...pathBytes, mode: stat.mode & 0o7777, mtimeMs: stat.mtimeMs };
  if (stat.isSymbolicLink()) {
    const target = await readlink(full);
    const at = posix.normalize(posix.join(posix.dirname(path), target));
    if (posix.isAbsolute(target) || at === '..' || at.startsWith('../')) {
      return { kind: 'refused', path, why: `It is a link to ${target}, outside of the workspace.` };
    }
    return { kind: 'link', ...base, target };
  }
  if (!stat.isFile()) return { kind: 'refused', path, why: 'It is not a regular file.' };
  try {
    accessSync(full, constants.R_OK);
  } catch (error) {
    return { kind: 'refused', path, why: `It cannot be read: ${String(error)}` };
  }
  const range = (start: number, end: number) => read(full, start, end);
  return { kind: 'file', ...base, size: stat.size, body: range(0, stat.size), range };
}

const openFile = (path: Buffer): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);

async function* read(path: Buffer, start: number, end: number): AsyncGenerator<Uint8Array> {
  const handle = await openFile(path);
  try {
    const chunk = Buffer.alloc(65_536);
    for (let at = start; at < end; ) {
      const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, end - at), at);
      if (bytesRead === 0) throw new RitmoError('RITMO_ARTIFACT_REFUSED', 'The file became shorter.');
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { workspacePath } from '@ritmo/protocol';
import { extract, type Headers, pack } from 'tar-stream';
import { linkStaysInside } from '../artifact/link.js';
import { RitmoError } from '../errors.js';
import { compileGlobs } from '../executor/glob/glob.js';
import type { FileEntry } from '../executor/sandbox.js';

/** More costs more time than it saves: most caches are written far more seldom than read. */
const gzipLevel = 1;
const smallBytes = 256 * 1024;

export interface Unpacking {
  /** What may be in it: what these globs match, and all below. */
  readonly paths: readonly string[];
  readonly maxFiles: number;
  readonly maxBytes: number;
}

/** Files and links as a tar, compressed with gzip. */
export async function* packArchive(entries: AsyncIterable<FileEntry>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const gzip = createGzip({ level: gzipLevel });
  const piped = pipeline(tar, gzip, { signal });
  const filled = fill(tar, entries).catch((error: unknown) => {
    tar.destroy(error as Error);
    throw error;
  });
  const done = Promise.allSettled([filled, piped]);
  try {
    for await (const bytes of gzip) yield bytes as Uint8Array;
  } catch (error) {
    // The reason is in what filled it, where that failed first.
    await filled;
    throw error;
  } finally {
    tar.destroy();
    gzip.destroy();
    await done;
  }
}

async function fill(tar: ReturnType<typeof pack>, entries: AsyncIterable<FileEntry>): Promise<void> {
  for await (const entry of entries) {
    const facts = { name: entry.path, mode: entry.mode, mtime: new Date(entry.mtimeMs) };
    if (entry.kind === 'link') await add(tar, { ...facts, type: 'symlink', linkname: entry.target }, Buffer.alloc(0));
    else if (entry.size <= smallBytes) await add(tar, { ...facts, size: entry.size }, await whole(entry.body));
    else {
      await new Promise<void>((resolve, reject) => {
        const sink = tar.entry({ ...facts, size: entry.size }, (error) => (error ? reject(error) : resolve()));
        pipeline(Readable.from(entry.body, { objectMode: false }), sink as unknown as NodeJS.WritableStream).catch(
          reject,
        );
      });
    }
  }
  tar.finalize();
}

function add(
  tar: ReturnType<typeof pack>,
  header: Partial<Headers> & Pick<Headers, 'name'>,
  body: Buffer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (header.type !== 'symlink' && body.length !== header.size) {
      reject(new RitmoError('RITMO_ARTIFACT_REFUSED', `${header.name} changed while it was read.`));
      return;
    }
    tar.entry(header, body, (error) => (error ? reject(error) : resolve()));
  });
}

async function whole(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const bytes of body) chunks.push(bytes);
  return Buffer.concat(chunks);
}

/**
 * The files and links of an archive, in its order. It is not trusted: what lies elsewhere than `paths`, what leaves
 * the workspace and what is neither file nor link ends it with RITMO_CACHE_BROKEN, like bytes that are no archive.
 */
export async function* unpackArchive(
  archive: AsyncIterable<Uint8Array>,
  limits: Unpacking,
  signal: AbortSignal,
): AsyncGenerator<FileEntry> {
  const tar = extract();
  const piped = pipeline(Readable.from(archive, { objectMode: false }), createGunzip(), tar, { signal });
  const done = Promise.allSettled([piped]);
  const below = compileGlobs(
    limits.paths.flatMap((path) => [path, `${path}/**`]),
    { dot: true },
  );
  const among = (path: string) => below.some((glob) => glob.matches(path.split('/')));
  let files = 0;
  let bytes = 0;
  try {
    for await (const entry of tar) {
      const { header } = entry;
      if (header.type === 'directory') {
        entry.resume();
        continue;
      }
      files += 1;
      bytes += header.size ?? 0;
      if (files > limits.maxFiles || bytes > limits.maxBytes) throw broken('it is larger than allowed');
      yield entryOf(header, entry, among);
      entry.resume();
    }
    await piped;
  } catch (error) {
    signal.throwIfAborted();
    const [end] = await done;
    const first = end?.status === 'rejected' ? (end.reason as unknown) : error;
    if (error instanceof RitmoError) throw error;
    if (first instanceof RitmoError) throw first;
    throw broken('its bytes are no archive', first);
  } finally {
    tar.destroy();
    await done;
  }
}

function entryOf(header: Headers, body: AsyncIterable<unknown>, among: (path: string) => boolean): FileEntry {
  // Of an archive that is read all are there; only one that is written may leave some out.
  const { name: path, type, linkname, mode = 0, mtime, size = 0 } = header;
  if (!workspacePath.safeParse(path).success || path.split('/').includes('..') || !among(path))
    throw broken(`it holds ${JSON.stringify(path)}, which is not among its paths`);
  const facts = { path, mode: mode & 0o777, mtimeMs: mtime?.getTime() ?? 0 };
  if (type === 'file') {
    return { kind: 'file', ...facts, size, body: bytesOf(body) };
  }
  if (type !== 'symlink') throw broken(`it holds ${JSON.stringify(path)}, which is neither a file nor a link`);
  if (!linkname || !linkStaysInside(path, linkname))
    throw broken(`it holds ${JSON.stringify(path)}, a link that leaves`);
  return { kind: 'link', ...facts, target: linkname };
}

async function* bytesOf(body: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of body) yield bytes as Uint8Array;
  } catch (error) {
    throw error instanceof RitmoError ? error : broken('its bytes are no archive', error);
  }
}

function broken(why: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_CACHE_BROKEN', `The cache cannot be used: ${why}.`, { cause });
}

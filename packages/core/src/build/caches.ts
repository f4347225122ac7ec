import { type Job, type JobCache, type LogNoteLevel, showDuration, workspacePath } from '@ritmo/protocol';
import { packArchive, unpackArchive } from '../cache/archive.js';
import { CacheKeys } from '../cache/key.js';
import type { CacheStore } from '../cache/store.js';
import { RitmoError } from '../errors.js';
import type { FileEntry, Sandbox } from '../executor/sandbox.js';
import { showSize } from '@ritmo/protocol';
import type { BuildContext } from './context.js';

const defaultMaxFiles = 1_000_000;
const defaultMaxBytes = 10 * 1024 ** 3;
/** A finished build waits so long for its caches. */
const saveMs = 15 * 60_000;

export interface CacheParts {
  readonly context: BuildContext;
  readonly job: Job;
  /** Whose caches they are, as the server says. */
  readonly scope: string | undefined;
  readonly sandbox: Sandbox;
  readonly note: (level: LogNoteLevel, text: string) => void;
  readonly signal: AbortSignal;
}

/** A cache of the job with the key that it had before the first step. */
export interface RestoredCache {
  readonly cache: JobCache;
  readonly key: string;
  /** There was one under the very key: nothing is to be saved. */
  readonly exact: boolean;
}

/** Fills the workspace from caches. A cache that cannot be had is a note, never the end of a build; rejects with the signal's reason. */
export async function restoreCaches(parts: CacheParts): Promise<readonly RestoredCache[]> {
  const { context, job, scope, note, signal } = parts;
  if (job.caches.length === 0) return [];
  if (!context.caches || scope === undefined) {
    const why = context.caches ? 'the server names no scope for them' : 'this worker has no store for them';
    note('warn', `The caches of the job have no effect: ${why}.`);
    return [];
  }
  const restored: RestoredCache[] = [];
  for (const cache of job.caches) {
    try {
      restored.push(await restoreOne(parts, context.caches, scope, cache));
    } catch (error) {
      signal.throwIfAborted();
      note('warn', `Cache ${cache.key}: not restored: ${sentence(error)}`);
    }
  }
  return restored;
}

/** Keeps what the steps left under keys that have nothing yet. What goes wrong is a note. */
export async function saveCaches(parts: CacheParts, restored: readonly RestoredCache[]): Promise<void> {
  const { context, scope, note, signal } = parts;
  for (const { cache, key, exact } of restored) {
    if (exact || !context.caches || scope === undefined) continue;
    try {
      await saveOne({ ...parts, signal: AbortSignal.any([signal, AbortSignal.timeout(saveMs)]) }, scope, cache, key);
    } catch (error) {
      if (signal.aborted) return;
      note('warn', `Cache ${key}: not saved: ${sentence(error)}`);
    }
  }
}

async function restoreOne(
  { context, sandbox, note, signal }: CacheParts,
  store: CacheStore,
  scope: string,
  cache: JobCache,
): Promise<RestoredCache> {
  const { clock } = context;
  const keys = new CacheKeys(sandbox, signal);
  const missing = (patterns: readonly string[]) =>
    note('warn', `Cache ${cache.key}: no file matches ${patterns.join(', ')}; its hash is that of nothing.`);
  const key = await keys.fill(cache.key, missing);
  const prefixes: string[] = [];
  for (const fallback of cache.fallback) prefixes.push(await keys.fill(fallback, () => undefined));
  const begin = clock.monotonic();
  const found = await store.find({ scope, key, prefixes }, signal);
  if (!found) {
    note('info', `Cache ${key}: there is none yet.`);
    return { cache, key, exact: false };
  }
  const put: string[] = [];
  try {
    const { maxCacheFiles = defaultMaxFiles, maxCacheBytes = defaultMaxBytes } = context.policy;
    const limits = { paths: cache.paths, maxFiles: maxCacheFiles, maxBytes: maxCacheBytes };
    const entries = unpackArchive(found.read(signal), limits, signal);
    await sandbox.put(told(entries, put), sandbox.workdir, signal);
  } catch (error) {
    signal.throwIfAborted();
    // Half a cache is worse than none.
    await sandbox.remove(
      put.map((path) => `${sandbox.workdir}/${path}`),
      signal,
    );
    note('warn', `Cache ${found.key}: not restored: ${sentence(error)}`);
    return { cache, key, exact: false };
  }
  const facts = `${showSize(found.size)} in ${showDuration(clock.monotonic() - begin)}`;
  const exact = found.key === key;
  note('info', `Cache ${key}: restored ${exact ? facts : `from ${found.key}, ${facts}`}.`);
  return { cache, key, exact };
}

async function* told(entries: AsyncIterable<FileEntry>, paths: string[]): AsyncGenerator<FileEntry> {
  for await (const entry of entries) {
    paths.push(entry.path);
    yield entry;
  }
}

async function saveOne(
  { context, sandbox, note, signal }: CacheParts,
  scope: string,
  cache: JobCache,
  key: string,
): Promise<void> {
  const { caches, clock, policy } = context;
  const begin = clock.monotonic();
  const counted = { files: 0, refused: 0, bytes: 0 };
  const { maxCacheFiles = defaultMaxFiles, maxCacheBytes = defaultMaxBytes } = policy;
  const request = {
    include: cache.paths,
    exclude: [],
    dotfiles: true,
    maxFiles: maxCacheFiles,
    maxBytes: maxCacheBytes,
  };
  async function* entries(): AsyncGenerator<FileEntry> {
    for await (const entry of sandbox.collect(request, signal)) {
      const named =
        entry.kind !== 'refused' && entry.pathBytes === undefined && workspacePath.safeParse(entry.path).success;
      if (!named) counted.refused += 1;
      else {
        counted.files += 1;
        yield entry;
      }
    }
  }
  async function* archive(): AsyncGenerator<Uint8Array> {
    for await (const bytes of packArchive(entries(), signal)) {
      counted.bytes += bytes.length;
      yield bytes;
    }
    if (counted.files === 0) throw new RitmoError('RITMO_ARTIFACT_MISSING', `nothing is in ${cache.paths.join(', ')}.`);
  }
  const saved = await caches?.save(scope, key, archive, signal);
  if (counted.refused > 0) note('warn', `Cache ${key}: ${filesOf(counted.refused)} could not be taken into it.`);
  if (saved === true) {
    const facts = `${showSize(counted.bytes)} of ${filesOf(counted.files)} in ${showDuration(clock.monotonic() - begin)}`;
    note('info', `Cache ${key}: saved ${facts}.`);
  } else note('info', `Cache ${key}: another build saved it already.`);
}

function sentence(error: unknown): string {
  const { message, code } = RitmoError.from(error);
  return `${message}${message.endsWith('.') ? '' : '.'} (${code})`;
}

const filesOf = (count: number) => (count === 1 ? '1 file' : `${count} files`);

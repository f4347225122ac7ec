import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, readFile, rm, statfs, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RitmoError } from '../errors.js';
import { evict, type KeptCache, keptCaches } from './evict.js';
import type { CacheEntry, CacheStore, WantedCache } from './store.js';

/** What the folder may hold. */
export interface FolderCacheOptions {
  /** Bytes of all caches; the least recently used go first. Default: 10 GiB. */
  readonly maxBytes?: number;
  /** Since the last use, in milliseconds. Default: 30 days. */
  readonly maxAgeMs?: number;
  /** Bytes that stay free on the disk, whatever it costs the caches. Default: 2 GiB. */
  readonly minFreeBytes?: number;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

const gibibyte = 1024 ** 3;
const dayMs = 24 * 60 * 60_000;
/** How often the free room is looked at while an archive is written, in bytes. */
const lookBytes = 16 * 1024 ** 2;

/** Caches in a folder of this machine; agents may share it. Throws RITMO_USAGE for wrong options. */
export function folderCacheStore(dir: string, options: FolderCacheOptions = {}): CacheStore {
  const settings = {
    maxBytes: options.maxBytes ?? 10 * gibibyte,
    maxAgeMs: options.maxAgeMs ?? 30 * dayMs,
    minFreeBytes: options.minFreeBytes ?? 2 * gibibyte,
    now: options.now ?? Date.now,
  };
  for (const name of ['maxBytes', 'maxAgeMs', 'minFreeBytes'] as const) {
    if (!(settings[name] >= 0))
      throw new RitmoError('RITMO_USAGE', `${name} of the caches must be a number from 0 on.`);
  }
  return new FolderCacheStore(resolve(dir), settings);
}

/** Each cache is `SCOPE/KEY.json` beside its archive; scope and key are hashes, so that no name leads elsewhere. */
class FolderCacheStore implements CacheStore {
  readonly name = 'folder';
  readonly #dir: string;
  readonly #settings: Required<FolderCacheOptions>;

  constructor(dir: string, settings: Required<FolderCacheOptions>) {
    this.#dir = dir;
    this.#settings = settings;
  }

  async find({ scope, key, prefixes }: WantedCache): Promise<CacheEntry | undefined> {
    const folder = this.#folder(scope);
    const all = (await keptCaches(folder)).toSorted((a, b) => b.savedAtMs - a.savedAtMs);
    const tests = [(one: string) => one === key, ...prefixes.map((prefix) => (one: string) => one.startsWith(prefix))];
    for (const test of tests) {
      const found = all.find((one) => test(one.key));
      if (found) return this.#entry(found);
    }
    return undefined;
  }

  async save(
    scope: string,
    key: string,
    archive: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const folder = this.#folder(scope);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const facts = join(folder, `${hashOf(key)}.json`);
    if (await readFile(facts).catch(() => undefined)) return false;
    const { now, ...limits } = this.#settings;
    await evict(this.#dir, limits, now());
    const id = randomUUID();
    const path = join(folder, `${id}.tar.gz`);
    const draft = join(folder, `${id}.draft`);
    let kept = false;
    try {
      const { size, sha256 } = await this.#write(path, archive(), signal);
      const kind = { version: 1, key, archive: `${id}.tar.gz`, size, sha256, savedAtMs: now() };
      await writeWhole(draft, JSON.stringify(kind));
      kept = await linkOnce(draft, facts);
    } finally {
      await rm(draft, { force: true });
      if (!kept) await rm(path, { force: true });
    }
    await evict(this.#dir, limits, now());
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #folder(scope: string): string {
    return join(this.#dir, hashOf(scope));
  }

  #entry(kept: KeptCache): CacheEntry {
    const { now } = this.#settings;
    return {
      key: kept.key,
      size: kept.size,
      async *read(signal) {
        const used = now() / 1000;
        await utimes(kept.factsPath, used, used);
        const hash = createHash('sha256');
        for await (const bytes of createReadStream(kept.archivePath, { highWaterMark: 256 * 1024, signal })) {
          hash.update(bytes as Buffer);
          yield bytes as Buffer;
        }
        if (hash.digest('hex') === kept.sha256) return;
        await rm(kept.factsPath, { force: true });
        await rm(kept.archivePath, { force: true });
        throw new RitmoError(
          'RITMO_CACHE_BROKEN',
          'The cache cannot be used: its bytes are not those that were saved.',
        );
      },
    };
  }

  async #write(path: string, archive: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    const { maxBytes, minFreeBytes } = this.#settings;
    const hash = createHash('sha256');
    let size = 0;
    let looked = Number.NEGATIVE_INFINITY;
    await using file = await open(path, 'wx', 0o600);
    try {
      for await (const bytes of archive) {
        signal.throwIfAborted();
        if (size - looked >= lookBytes) {
          looked = size;
          if ((await freeBytes(this.#dir)) < minFreeBytes) throw noRoom('the disk has no room for it');
        }
        size += bytes.length;
        if (size > maxBytes) throw noRoom('it is larger than all caches may be');
        hash.update(bytes);
        await file.writeFile(bytes);
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOSPC' || code === 'EDQUOT') throw noRoom('the disk is full', error);
      throw error;
    }
    return { size, sha256: hash.digest('hex') };
  }
}

async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

async function writeWhole(path: string, content: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(content);
}

/** False where somebody else was first. */
async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40);
}

function noRoom(why: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_DISK_FULL', `The cache is not kept: ${why}.`, { cause });
}

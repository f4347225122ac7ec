import { createHash } from 'node:crypto';
import type { CacheEntry, CacheStore, WantedCache } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import { Bucket, type Part, type StoredObject } from './client.js';
import { evictCaches, type S3CacheLimits } from './evict-caches.js';
import { hashedBytes } from './hashed-body.js';
import { below } from './object-key.js';
import { type S3Options, type S3Settings, settingsOf } from './options.js';
import { maxParts } from './part-size.js';

const mebibyte = 1024 ** 2;
/** Archives have no size beforehand: the most parts make 156 GiB. */
const partBytes = 16 * mebibyte;
const abortMs = 30_000;

const dayMs = 24 * 60 * 60_000;
/** So often at most a save looks at all caches: a list of many takes many requests. */
const evictEveryMs = 10 * 60_000;
/** A use is written down by a copy of the object onto itself, which takes no larger one. */
const mostCopied = 5 * 1024 ** 3;

/**
 * Caches in a bucket, as `PREFIX/caches/SCOPE/KEY`. What was not used for too long is removed, then what was used the
 * longest ago until the rest is within its size. Throws RITMO_USAGE for wrong options.
 */
export function s3CacheStore(options: S3Options, limits: S3CacheLimits = {}): CacheStore {
  const settings = settingsOf(options);
  for (const name of ['maxBytes', 'maxAgeMs'] as const)
    if (limits[name] !== undefined && !(limits[name] >= 0))
      throw new RitmoError('RITMO_USAGE', `${name} of the caches must be a number from 0 on.`);
  return new S3CacheStore(settings, new Bucket(settings), limits);
}

const facts = { contentType: 'application/gzip' };

class S3CacheStore implements CacheStore {
  readonly name = 's3';
  readonly #settings: S3Settings;
  readonly #bucket: Bucket;
  readonly #limits: Required<S3CacheLimits>;
  #evictedAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: S3Settings, bucket: Bucket, limits: S3CacheLimits) {
    this.#settings = settings;
    this.#bucket = bucket;
    const { maxBytes = Number.POSITIVE_INFINITY, maxAgeMs = 30 * dayMs, now = Date.now } = limits;
    this.#limits = { maxBytes, maxAgeMs, now };
  }

  async find({ scope, key, prefixes }: WantedCache, signal: AbortSignal): Promise<CacheEntry | undefined> {
    const exact = this.#key(scope, key);
    const head = await this.#bucket.head(exact, signal);
    if (head) return this.#entry(key, { key: exact, ...head });
    for (const prefix of prefixes) {
      let newest: StoredObject | undefined;
      for await (const object of this.#bucket.list(this.#key(scope, prefix), signal))
        if (newest === undefined || object.modifiedMs > newest.modifiedMs) newest = object;
      if (newest) return this.#entry(this.#nameOf(newest.key, scope), newest);
    }
    return undefined;
  }

  async save(
    scope: string,
    key: string,
    archive: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const object = this.#key(scope, key);
    if (await this.#bucket.head(object, signal)) return false;
    await this.#send(object, archive(), signal);
    const now = this.#limits.now();
    if (now - this.#evictedAtMs >= evictEveryMs) {
      this.#evictedAtMs = now;
      await evictCaches(this.#bucket, below(this.#settings.prefix, 'caches/'), object, this.#limits, signal);
    }
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#bucket[Symbol.asyncDispose]();
  }

  /** Encoded so that a key is one name, and the beginning of a key the beginning of a name. */
  #key(scope: string, key: string): string {
    return below(this.#settings.prefix, `caches/${encodeURIComponent(scope)}/${encodeURIComponent(key)}`);
  }

  #nameOf(object: string, scope: string): string {
    return decodeURIComponent(object.slice(this.#key(scope, '').length));
  }

  #entry(key: string, { key: object, size, modifiedMs }: StoredObject): CacheEntry {
    const bucket = this.#bucket;
    const stale = this.#limits.now() - modifiedMs > dayMs && size <= mostCopied;
    return {
      key,
      size,
      async *read(signal) {
        const body = await bucket.get(object, signal);
        if (!body) throw new RitmoError('RITMO_CACHE_BROKEN', 'The cache cannot be used: it was removed just now.');
        let length = 0;
        for await (const bytes of body) {
          length += bytes.length;
          yield bytes;
        }
        if (length !== size) throw new RitmoError('RITMO_CACHE_BROKEN', 'The cache cannot be used: it was cut off.');
        // Where that is refused, its age counts from when it was saved.
        if (stale) await bucket.touch(object, facts, signal).catch(() => signal.throwIfAborted());
      },
    };
  }

  /** One request for what fits into a part, else a multipart upload that appears whole or not at all. */
  async #send(object: string, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const parts: Part[] = [];
    let uploadId: string | undefined;
    try {
      for await (const { bytes, last } of inParts(archive)) {
        const hashed = hashedBytes(bytes, createHash('sha256').update(bytes).digest('hex'));
        if (last && uploadId === undefined) {
          await this.#bucket.put(object, hashed, facts, signal);
          return;
        }
        uploadId ??= await this.#bucket.begin(object, facts, signal);
        const number = parts.length + 1;
        if (number > maxParts)
          throw new RitmoError('RITMO_ARTIFACT_LIMIT', 'The cache is larger than an S3 store takes (156 GiB).', {
            hint: 'Cache less, or in several caches.',
          });
        parts.push({ number, etag: await this.#bucket.part(object, uploadId, number, hashed, signal) });
      }
      if (uploadId !== undefined) await this.#bucket.complete(object, uploadId, parts, signal);
    } catch (error) {
      if (uploadId !== undefined) await this.#bucket.abort(object, uploadId, AbortSignal.timeout(abortMs));
      throw error;
    }
  }
}

async function* inParts(
  archive: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly bytes: Uint8Array; readonly last: boolean }> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of archive) {
    if (length >= partBytes) {
      yield { bytes: Buffer.concat(chunks), last: false };
      chunks = [];
      length = 0;
    }
    chunks.push(bytes);
    length += bytes.length;
  }
  yield { bytes: Buffer.concat(chunks), last: true };
}

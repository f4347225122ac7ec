import { createHash } from 'node:crypto';
import type { CacheEntry, CacheStore, WantedCache } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import { Bucket, type Part } from './client.js';
import { below } from './object-key.js';
import { type S3Options, type S3Settings, settingsOf } from './options.js';

const mebibyte = 1024 ** 2;
/** Archives have no size beforehand: with 10,000 parts this makes 156 GiB. */
const partBytes = 16 * mebibyte;
const abortMs = 30_000;

/**
 * Caches in a bucket, as `PREFIX/caches/SCOPE/KEY`. Nothing is removed here: that is for a lifecycle rule of the
 * bucket. Throws RITMO_USAGE for wrong options.
 */
export function s3CacheStore(options: S3Options): CacheStore {
  const settings = settingsOf(options);
  return new S3CacheStore(settings, new Bucket(settings));
}

class S3CacheStore implements CacheStore {
  readonly name = 's3';
  readonly #settings: S3Settings;
  readonly #bucket: Bucket;

  constructor(settings: S3Settings, bucket: Bucket) {
    this.#settings = settings;
    this.#bucket = bucket;
  }

  async find({ scope, key, prefixes }: WantedCache, signal: AbortSignal): Promise<CacheEntry | undefined> {
    const exact = this.#key(scope, key);
    const head = await this.#bucket.head(exact, signal);
    if (head) return this.#entry(key, exact, head.size);
    for (const prefix of prefixes) {
      let newest: { readonly key: string; readonly size: number; readonly modifiedMs: number } | undefined;
      for await (const object of this.#bucket.list(this.#key(scope, prefix), signal))
        if (newest === undefined || object.modifiedMs > newest.modifiedMs) newest = object;
      if (newest) return this.#entry(this.#nameOf(newest.key, scope), newest.key, newest.size);
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

  #entry(key: string, object: string, size: number): CacheEntry {
    const bucket = this.#bucket;
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
      },
    };
  }

  /** One request for what fits into a part, else a multipart upload that appears whole or not at all. */
  async #send(object: string, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const facts = { contentType: 'application/gzip' };
    const parts: Part[] = [];
    let uploadId: string | undefined;
    try {
      for await (const { bytes, last } of inParts(archive)) {
        const hashed = { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
        if (last && uploadId === undefined) {
          await this.#bucket.put(object, hashed, facts, signal);
          return;
        }
        uploadId ??= await this.#bucket.begin(object, facts, signal);
        const number = parts.length + 1;
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

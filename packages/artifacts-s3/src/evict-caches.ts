import type { Bucket, StoredObject } from './client.js';

/** When caches are removed from the bucket. */
export interface S3CacheLimits {
  /** Bytes of all caches below the prefix; the least recently used go first. Default: no bound. */
  readonly maxBytes?: number;
  /** Since the last use, in milliseconds, to a day. Default: 30 days. */
  readonly maxAgeMs?: number;
  /** Milliseconds since 1970. Default: the clock of this machine. */
  readonly now?: () => number;
}

/** Removes caches that are too old, and the oldest while all are too large; `saved` stays, it was saved just now. */
export async function evictCaches(
  bucket: Bucket,
  prefix: string,
  saved: string,
  { maxBytes, maxAgeMs, now }: Required<S3CacheLimits>,
  signal: AbortSignal,
): Promise<void> {
  const all: StoredObject[] = [];
  for await (const object of bucket.list(prefix, signal)) if (isCache(object.key, prefix)) all.push(object);
  let bytes = all.reduce((sum, { size }) => sum + size, 0);
  for (const { key, size, modifiedMs } of all.toSorted((a, b) => a.modifiedMs - b.modifiedMs)) {
    if (key === saved || (now() - modifiedMs <= maxAgeMs && bytes <= maxBytes)) continue;
    await bucket.delete(key, signal);
    bytes -= size;
  }
}

/** `SCOPE/KEY`: what lies there otherwise is not ours. */
function isCache(key: string, prefix: string): boolean {
  return key.slice(prefix.length).split('/').length === 2;
}

/** Where caches are kept: the disk of this worker, a bucket. Keys are apart by scope; the scope is the server's word. */
export interface CacheStore extends AsyncDisposable {
  /** For logs and errors. */
  readonly name: string;
  /** The entry of `key`; else the newest whose key begins with one of `prefixes`, tried in their order. */
  find(wanted: WantedCache, signal: AbortSignal): Promise<CacheEntry | undefined>;
  /**
   * Keeps an archive under a key, whole or not at all. False where the key has one already, of which nothing is read.
   * @throws RITMO_DISK_FULL where there is no room for it
   */
  save(scope: string, key: string, archive: () => AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<boolean>;
}

/** Which cache a job wants. */
export interface WantedCache {
  /** Whose it is: the word of the server. */
  readonly scope: string;
  /** Wanted first. */
  readonly key: string;
  /** Else the newest that begins so. */
  readonly prefixes: readonly string[];
}

/** A cache that was found. */
export interface CacheEntry {
  /** Its own, which may begin with a prefix only. */
  readonly key: string;
  /** Of the archive, in bytes. */
  readonly size: number;
  /** The archive; rejects at its end when the bytes are not those that were saved. */
  read(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

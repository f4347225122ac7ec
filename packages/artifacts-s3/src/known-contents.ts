import { createHash } from 'node:crypto';
import type { ArtifactSource } from '@ritmo/agent-core';
import { z } from 'zod';
import type { Bucket, ObjectFacts } from './client.js';
import { hashedBytes } from './hashed-body.js';
import { below } from './object-key.js';

/** What a server copies at once. Source: CopyObject in the API of Amazon S3. */
const mostCopied = 5 * 1024 ** 3;
const place = z.object({ key: z.string(), etag: z.string() });

/**
 * Contents of large files that a project has in the bucket, as `PREFIX/contents/PROJECT/SIZE/SHA256`: each names an
 * object, and is of use for as long as that object is what it was. The project is the server's word.
 */
export class KnownContents {
  readonly #bucket: Bucket;
  readonly #folder: string;

  constructor(bucket: Bucket, prefix: string, project: string) {
    this.#bucket = bucket;
    this.#folder = below(prefix, `contents/${encodeURIComponent(project)}`);
  }

  /**
   * Lets the server copy a file to `key` where the project has its content; answers its sha256, or undefined where the
   * file is to be sent, as on a server that refuses to list or to copy. The file is read for it only where there is one of
   * its size. Rejects with the signal's reason.
   */
  async copyTo(key: string, source: ArtifactSource, facts: ObjectFacts, signal: AbortSignal) {
    try {
      return await this.#copyTo(key, source, facts, signal);
    } catch {
      // What is really wrong, with the server or with the file, is said by the upload.
      signal.throwIfAborted();
      return undefined;
    }
  }

  /** For the builds after this one. Where the server does not take it, they send the file. */
  async add(file: { readonly key: string; readonly size: number; readonly sha256: string }, signal: AbortSignal) {
    await this.#add(file, signal).catch(() => undefined);
  }

  async #copyTo(key: string, source: ArtifactSource, facts: ObjectFacts, signal: AbortSignal) {
    const folder = `${this.#folder}/${source.size}/`;
    const known = new Map<string, string>();
    if (source.size > mostCopied) return undefined;
    for await (const marker of this.#bucket.list(folder, signal))
      known.set(marker.key.slice(folder.length), marker.key);
    if (known.size === 0) return undefined;
    const hash = createHash('sha256');
    for await (const bytes of source.read()) {
      signal.throwIfAborted();
      hash.update(bytes);
    }
    const sha256 = hash.digest('hex');
    const marker = known.get(sha256);
    const from = marker === undefined ? undefined : await this.#placeOf(marker, signal);
    if (!from) return undefined;
    // The condition of a copy is not kept by every server: one that has no such object any more says so here.
    if ((await this.#bucket.head(from.key, signal))?.etag !== from.etag) return undefined;
    return (await this.#bucket.copy(from, key, facts, signal)) ? sha256 : undefined;
  }

  async #add(file: { readonly key: string; readonly size: number; readonly sha256: string }, signal: AbortSignal) {
    const etag = (await this.#bucket.head(file.key, signal))?.etag;
    if (etag === undefined || file.size > mostCopied) return;
    const bytes = Buffer.from(JSON.stringify({ key: file.key, etag }));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const key = `${this.#folder}/${file.size}/${file.sha256}`;
    await this.#bucket.put(key, hashedBytes(bytes, sha256), { contentType: 'application/json' }, signal);
  }

  async #placeOf(marker: string, signal: AbortSignal) {
    const chunks: Uint8Array[] = [];
    for await (const bytes of (await this.#bucket.get(marker, signal)) ?? []) chunks.push(bytes);
    return parsed(Buffer.concat(chunks).toString());
  }
}

function parsed(text: string) {
  try {
    return place.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

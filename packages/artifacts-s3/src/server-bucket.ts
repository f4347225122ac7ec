import { Bucket } from './client.js';
import { below } from './object-key.js';
import { type S3Options, type S3Settings, settingsOf } from './options.js';

/** How long a presigned URL is good for its first byte. */
const urlSeconds = 3600;
/** A call to the bucket, repeats included. */
const callMs = 60_000;

interface Target {
  readonly url: string;
  readonly headers: Record<string, string>;
}

/**
 * A bucket for the artifacts of an API server, which signs URLs for its workers: the `artifactBucket` of
 * `startApiServer`. Throws RITMO_USAGE for wrong options.
 */
export function s3ServerBucket(options: S3Options): S3ServerBucket {
  const settings = settingsOf(options);
  return new S3ServerBucket(settings, new Bucket(settings));
}

export class S3ServerBucket implements AsyncDisposable {
  readonly #settings: S3Settings;
  readonly #bucket: Bucket;

  constructor(settings: S3Settings, bucket: Bucket) {
    this.#settings = settings;
    this.#bucket = bucket;
  }

  /** Rejects with RITMO_ARTIFACT_UPLOAD where files could not be stored, or with the signal's reason. */
  check(signal: AbortSignal): Promise<void> {
    return this.#bucket.check(this.#settings.prefix, signal);
  }

  async putTarget(key: string, contentType: string): Promise<Target> {
    const url = await this.#bucket.presignPut(this.#key(key), contentType, urlSeconds);
    return { url, headers: { 'Content-Type': contentType } };
  }

  begin(key: string, contentType: string): Promise<string> {
    return this.#bucket.begin(this.#key(key), { contentType }, AbortSignal.timeout(callMs));
  }

  async partTargets(key: string, uploadId: string, count: number): Promise<readonly Target[]> {
    const targets: Target[] = [];
    for (let number = 1; number <= count; number++) {
      targets.push({ url: await this.#bucket.presignPart(this.#key(key), uploadId, number, urlSeconds), headers: {} });
    }
    return targets;
  }

  /** Harmless where it is complete already. */
  async complete(key: string, uploadId: string, etags: readonly string[]): Promise<void> {
    const signal = AbortSignal.timeout(callMs);
    const parts = etags.map((etag, index) => ({ number: index + 1, etag }));
    try {
      await this.#bucket.complete(this.#key(key), uploadId, parts, signal);
    } catch (error) {
      if ((await this.#bucket.head(this.#key(key), signal)) === undefined) throw error;
    }
  }

  abort(key: string, uploadId: string): Promise<void> {
    return this.#bucket.abort(this.#key(key), uploadId, AbortSignal.timeout(callMs));
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.#bucket.head(this.#key(key), AbortSignal.timeout(callMs)))?.size;
  }

  read(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The bytes may take hours; the socket's own silence ends them.
    return this.#bucket.get(this.#key(key), new AbortController().signal);
  }

  delete(key: string): Promise<void> {
    return this.#bucket.delete(this.#key(key), AbortSignal.timeout(callMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#bucket[Symbol.asyncDispose]();
  }

  #key(key: string): string {
    return below(this.#settings.prefix, key);
  }
}

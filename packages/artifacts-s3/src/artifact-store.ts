import { createHash } from 'node:crypto';
import {
  type ArtifactRef,
  type ArtifactSession,
  type ArtifactSource,
  type ArtifactStore,
  contentTypeOf,
  type Lease,
  mapUnordered,
  type UploadScope,
} from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import { Bucket } from './client.js';
import { s3Error } from './errors.js';
import { hashedBytes } from './hashed-body.js';
import { KnownContents } from './known-contents.js';
import type { Manifest, ManifestFile } from './manifest.js';
import { sendInParts } from './multipart.js';
import { below, objectKey } from './object-key.js';
import { type S3Options, type S3Settings, settingsOf } from './options.js';
import { memoryBytes } from './part-size.js';
import { readBytes } from './read-bytes.js';
import { Slots } from '@ritmo/agent-core';
import { Unfinished } from './unfinished.js';

/** Aborting what is half stored gets so long; what stays is taken up by the next start of the agent. */
const abortMs = 30_000;

/**
 * Artifacts in a bucket, each as an object of its own, and beside them `JOB/ATTEMPT/ritmo-artifacts.json` with what
 * is whole: path, size, mode, sha256, links. Throws RITMO_USAGE for wrong options.
 */
export function s3ArtifactStore(options: S3Options): ArtifactStore {
  const settings = settingsOf(options);
  const bucket = new Bucket(settings);
  const slots = new Slots(settings.parallel, memoryBytes);
  return {
    name: 's3',
    check: (signal) => bucket.check(settings.prefix, signal),
    async open(lease, resume, project) {
      const known = project === undefined ? undefined : new KnownContents(bucket, settings.prefix, project);
      return new S3Session({ settings, bucket, slots, lease, known, unfinished: await Unfinished.open(resume) });
    },
    [Symbol.asyncDispose]: () => bucket[Symbol.asyncDispose](),
  };
}

interface SessionParts {
  readonly settings: S3Settings;
  readonly bucket: Bucket;
  readonly slots: Slots;
  readonly lease: Lease;
  readonly known: KnownContents | undefined;
  readonly unfinished: Unfinished;
}

class S3Session implements ArtifactSession {
  readonly #settings: S3Settings;
  readonly #bucket: Bucket;
  readonly #slots: Slots;
  readonly #lease: Lease;
  readonly #known: KnownContents | undefined;
  readonly #unfinished: Unfinished;
  readonly #files: ManifestFile[] = [];
  readonly #sent: Array<{ readonly key: string; readonly size: number; readonly sha256: string }> = [];

  constructor({ settings, bucket, slots, lease, known, unfinished }: SessionParts) {
    this.#settings = settings;
    this.#bucket = bucket;
    this.#slots = slots;
    this.#lease = lease;
    this.#known = known;
    this.#unfinished = unfinished;
  }

  add(files: AsyncIterable<ArtifactSource>, scope: UploadScope): AsyncIterable<ArtifactRef> {
    const store = async (source: ArtifactSource, signal: AbortSignal) => {
      try {
        return await this.#store(source, scope.progress, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw failed(source, error);
      } finally {
        await source.release();
      }
    };
    return mapUnordered(files, this.#settings.parallel, store, scope.signal);
  }

  /** Lists what was stored. */
  async commit(): Promise<void> {
    this.#unfinished.close();
    for (const file of this.#sent) await this.#known?.add(file, AbortSignal.timeout(abortMs));
    const { jobId, epoch } = this.#lease;
    const whole: Manifest = { version: 1, job: jobId, attempt: epoch, files: this.#files.toSorted(byPath) };
    const bytes = Buffer.from(JSON.stringify(whole));
    const key = below(this.#settings.prefix, `${jobId}/${epoch}/ritmo-artifacts.json`);
    const facts = { contentType: 'application/json' };
    await this.#bucket.put(key, hashedBytes(bytes, sha256Of(bytes)), facts, AbortSignal.timeout(abortMs));
  }

  /** Ends the multipart uploads; what cannot be ended stays in the journal. */
  async abort(): Promise<void> {
    this.#unfinished.close();
    const signal = AbortSignal.timeout(abortMs);
    try {
      for (const { key, uploadId } of this.#unfinished.all) await this.#bucket.abort(key, uploadId, signal);
    } catch (error) {
      throw s3Error(error, this.#bucket.name);
    }
    await this.#unfinished.clear();
  }

  async #store(source: ArtifactSource, progress: (bytes: number) => void, signal: AbortSignal): Promise<ArtifactRef> {
    const { name, path, size, mode, linkTarget } = source;
    const { jobId: job, epoch: attempt } = this.#lease;
    const key = objectKey(this.#settings, { job, attempt, name, path });
    const file = { name, path, size, mode };
    if (linkTarget !== undefined) {
      const sha256 = sha256Of('');
      this.#files.push({ ...file, sha256, linkTarget });
      return { name, path, uri: uriOf(this.#bucket.name, key), size: 0, sha256 };
    }
    const inParts = size > this.#settings.partSize;
    const sha256 = inParts
      ? await this.#sendInParts(source, key, progress, signal)
      : await this.#sendWhole(source, key, progress, signal);
    if (this.#settings.verify) await this.#verify(source, key, sha256, signal);
    this.#files.push({ ...file, sha256, key });
    return { name, path, uri: uriOf(this.#bucket.name, key), size, sha256 };
  }

  async #verify({ path }: ArtifactSource, key: string, sha256: string, signal: AbortSignal): Promise<void> {
    const hash = createHash('sha256');
    for await (const bytes of (await this.#bucket.get(key, signal)) ?? []) hash.update(bytes);
    if (hash.digest('hex') === sha256) return;
    await this.#bucket.delete(key, signal);
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', `${path} came back from the bucket with other bytes.`, {
      hint: 'The S3 server, or what is on the way to it, changes bytes: have it looked at.',
      retryable: true,
    });
  }

  async #sendWhole(
    source: ArtifactSource,
    key: string,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<string> {
    using _slot = await this.#slots.take(source.size);
    signal.throwIfAborted();
    const bytes = await readBytes(source, 0, source.size, signal);
    const sha256 = sha256Of(bytes);
    await this.#bucket.put(key, hashedBytes(bytes, sha256), this.#facts(source, sha256), signal);
    progress(source.size);
    return sha256;
  }

  async #sendInParts(
    source: ArtifactSource,
    key: string,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<string> {
    const id = sha256Of(JSON.stringify([source.name, source.path])).slice(0, 32);
    const begun = this.#unfinished.find(id) ?? this.#unfinished.findWhole(id);
    const had = begun ? undefined : await this.#known?.copyTo(key, source, this.#facts(source), signal);
    if (had !== undefined) {
      progress(source.size);
      return had;
    }
    const sha256 = await sendInParts({
      bucket: this.#bucket,
      slots: this.#slots,
      unfinished: this.#unfinished,
      id,
      key,
      source,
      facts: this.#facts(source),
      partSize: this.#settings.partSize,
      progress,
      signal,
    });
    this.#sent.push({ key, size: source.size, sha256 });
    return sha256;
  }

  #facts({ path, mode, expireInMs }: ArtifactSource, sha256?: string) {
    return {
      contentType: contentTypeOf(path),
      metadata: {
        'ritmo-job': this.#lease.jobId,
        'ritmo-mode': (mode & 0o7777).toString(8),
        ...(sha256 === undefined ? {} : { 'ritmo-sha256': sha256 }),
      },
      ...(expireInMs === undefined ? {} : { tags: { 'ritmo-expire-days': String(daysOf(expireInMs)) } }),
    };
  }
}

const dayMs = 24 * 60 * 60_000;
const daysOf = (ms: number) => Math.max(1, Math.ceil(ms / dayMs));

function uriOf(bucket: string, key: string): string {
  return `s3://${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function byPath(a: ManifestFile, b: ManifestFile): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.path < b.path ? -1 : 1;
}

function failed(source: ArtifactSource, error: unknown): RitmoError {
  const known = RitmoError.from(error, 'RITMO_ARTIFACT_UPLOAD');
  if (known.code === 'RITMO_ARTIFACT_LIMIT' || known.message.startsWith(source.path)) return known;
  const { code, retryable, hint } = known;
  const kept = code === 'RITMO_ARTIFACT_REFUSED' ? code : 'RITMO_ARTIFACT_UPLOAD';
  return new RitmoError(kept, `${source.path} could not be stored: ${known.message}`, {
    cause: error,
    retryable,
    hint,
  });
}

import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { RitmoError } from '@ritmo/agent-core/executor';
import { isMissing, isOther, s3Error } from './errors.js';
import type { HashedBody } from './hashed-body.js';
import { LeanClient } from './lean-client.js';
import { below } from './object-key.js';
import type { S3Settings } from './options.js';

const connectMs = 10_000;
/** The first pause before another try is a random part of twice this, in milliseconds; then they double. */
const pauseMs = 100;

const ignore = () => undefined;
const quiet = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export interface ObjectFacts {
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface StoredObject {
  readonly key: string;
  readonly size: number;
  readonly modifiedMs: number;
}

export interface Part {
  readonly number: number;
  readonly etag: string;
}

/**
 * The calls that artifacts and caches need of one bucket. Repeats what may be repeated; rejects with
 * RITMO_ARTIFACT_UPLOAD, or with the signal's reason.
 */
export class Bucket implements AsyncDisposable {
  readonly #settings: S3Settings;
  readonly #client: S3Client;
  readonly #lean: LeanClient | undefined;
  readonly #hashes = new WeakMap<object, string>();
  readonly name: string;

  constructor(settings: S3Settings) {
    this.#settings = settings;
    this.name = settings.bucket;
    const { endpoint, region, pathStyle, credentials, credentialsFile, profile, parallel, attempts, silence } =
      settings;
    const pool = { keepAlive: true, maxSockets: parallel + 4 };
    const agents = { http: new HttpAgent(pool), https: new HttpsAgent(pool) };
    const chosen =
      credentials === undefined
        ? credentialsFile === undefined
          ? undefined
          : fromIni({ filepath: credentialsFile, ...(profile === undefined ? {} : { profile }) })
        : {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
          };
    this.#client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? (endpoint === undefined ? {} : { region: 'us-east-1' }) : { region }),
      ...(chosen === undefined ? {} : { credentials: chosen }),
      ...(chosen === undefined && profile !== undefined ? { profile } : {}),
      forcePathStyle: pathStyle ?? endpoint !== undefined,
      maxAttempts: attempts,
      // It would write to the console of the agent that it cannot repeat a stream.
      logger: quiet,
      // Servers older than these headers refuse them; the signed sha256 of the body does the same everywhere.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      followRegionRedirects: true,
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: silence,
        httpAgent: agents.http,
        httpsAgent: agents.https,
      },
    });
    this.#lean = hasOwnSession(settings.bucket)
      ? undefined
      : new LeanClient({
          bucketUrl: () => this.#url(),
          region: () => this.#client.config.region(),
          keys: () => this.#client.config.credentials(),
          agents,
          silenceMs: silence,
        });
    // Hands the known hash to the signer, which would else compute it again.
    this.#client.middlewareStack.add(
      (next) => (call) => {
        const { Body } = call.input as { readonly Body?: unknown };
        const sha256 = typeof Body === 'object' && Body !== null ? this.#hashes.get(Body) : undefined;
        const { headers } = call.request as { readonly headers: Record<string, string> };
        if (sha256 !== undefined) headers['x-amz-content-sha256'] = sha256;
        return next(call);
      },
      { step: 'build', name: 'ritmoBodyHash' },
    );
  }

  async put(key: string, body: HashedBody, facts: ObjectFacts, signal: AbortSignal): Promise<void> {
    const headers = headersOf(facts, this.#settings);
    const sent = await this.#call(async () => this.#lean?.put({ key, headers, body }, signal), signal);
    if (sent !== undefined) return;
    const command = new PutObjectCommand({ ...this.#target(key), ...this.#stored(facts), Body: this.#bodyFor(body) });
    await this.#call(() => this.#client.send(command, { abortSignal: signal }), signal);
  }

  async begin(key: string, facts: ObjectFacts, signal: AbortSignal): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#target(key), ...this.#stored(facts) });
    const { UploadId } = await this.#call(() => this.#client.send(command, { abortSignal: signal }), signal);
    return UploadId ?? '';
  }

  async part(key: string, uploadId: string, number: number, body: HashedBody, signal: AbortSignal): Promise<string> {
    const query = { partNumber: String(number), uploadId };
    const sent = await this.#call(async () => this.#lean?.put({ key, query, body }, signal), signal);
    if (sent !== undefined) return sent;
    // The SDK sends again what is in memory; what is read as it is sent begins anew here.
    for (let tries = body.bytes ? this.#settings.attempts : 1; ; tries++) {
      const unread = new AbortController();
      const either = AbortSignal.any([signal, unread.signal]);
      const command = new UploadPartCommand({
        ...this.#target(key),
        UploadId: uploadId,
        PartNumber: number,
        Body: this.#bodyFor(body, unread),
        ContentLength: body.size,
      });
      try {
        const { ETag } = await this.#call(() => this.#client.send(command, { abortSignal: either }), either);
        return ETag ?? '';
      } catch (error) {
        if (tries >= this.#settings.attempts || !(error as RitmoError).retryable) throw error;
        await sleep(Math.random() * pauseMs * 2 ** tries, undefined, { signal });
      }
    }
  }

  async complete(key: string, uploadId: string, parts: readonly Part[], signal: AbortSignal): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#target(key),
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
    });
    await this.#call(() => this.#client.send(command, { abortSignal: signal }), signal);
  }

  /** Harmless where the upload is not there. */
  async abort(key: string, uploadId: string, signal: AbortSignal): Promise<void> {
    const command = new AbortMultipartUploadCommand({ ...this.#target(key), UploadId: uploadId });
    await this.#unlessMissing(() => this.#client.send(command, { abortSignal: signal }), signal);
  }

  /** Rejects where files could not be stored below `prefix`; begins an upload and ends it, which leaves nothing. */
  async check(prefix: string, signal: AbortSignal): Promise<void> {
    const key = below(prefix, 'ritmo-check');
    await this.abort(key, await this.begin(key, {}, signal), signal);
  }

  /** Size and metadata; undefined where it is not there. */
  async head(
    key: string,
    signal: AbortSignal,
  ): Promise<
    | (Omit<StoredObject, 'key'> & { readonly etag: string; readonly metadata: Readonly<Record<string, string>> })
    | undefined
  > {
    const command = new HeadObjectCommand(this.#target(key));
    const found = await this.#unlessMissing(() => this.#client.send(command, { abortSignal: signal }), signal);
    const { ContentLength: size = 0, LastModified, ETag: etag = '', Metadata: metadata = {} } = found ?? {};
    return found && { size, modifiedMs: LastModified?.getTime() ?? 0, etag, metadata };
  }

  /** The bytes of an object; undefined where it is not there. */
  async get(key: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const command = new GetObjectCommand(this.#target(key));
    const found = await this.#unlessMissing(() => this.#client.send(command, { abortSignal: signal }), signal);
    if (!found) return undefined;
    if (!(found.Body instanceof Readable)) return empty();
    return this.#bodyOf(found.Body, signal);
  }

  /** Objects whose key begins with `prefix`, in the order of their keys. */
  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    for (let token: string | undefined; ; ) {
      const command = new ListObjectsV2Command({
        Bucket: this.name,
        Prefix: prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#call(() => this.#client.send(command, { abortSignal: signal }), signal);
      for (const { Key, Size, LastModified } of page.Contents ?? [])
        if (Key !== undefined) yield { key: Key, size: Size ?? 0, modifiedMs: LastModified?.getTime() ?? 0 };
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (token === undefined) return;
    }
  }

  /** Makes an object of up to 5 GiB one that was modified now; its bytes stay in the bucket. */
  async touch(key: string, facts: ObjectFacts, signal: AbortSignal): Promise<void> {
    await this.#call(() => this.#client.send(this.#copying(key, key, facts), { abortSignal: signal }), signal);
  }

  /** Copies an object of up to 5 GiB within the bucket; false where it is not there, or not the one that is meant. */
  async copy(
    from: { readonly key: string; readonly etag: string },
    key: string,
    facts: ObjectFacts,
    signal: AbortSignal,
  ): Promise<boolean> {
    const command = this.#copying(from.key, key, facts, from.etag);
    const work = () => this.#client.send(command, { abortSignal: signal });
    const copied = await this.#unlessMissing(work, signal).catch((error: unknown) => {
      if ((error as RitmoError).cause instanceof Error && isOther((error as RitmoError).cause)) return undefined;
      throw error;
    });
    return copied !== undefined;
  }

  #copying(from: string, key: string, facts: ObjectFacts, etag?: string): CopyObjectCommand {
    return new CopyObjectCommand({
      ...this.#target(key),
      ...this.#stored(facts),
      CopySource: `${this.name}/${from.split('/').map(encodeURIComponent).join('/')}`,
      MetadataDirective: 'REPLACE',
      ...(etag === undefined ? {} : { CopySourceIfMatch: etag }),
      ...(this.#settings.tags && etag !== undefined ? { TaggingDirective: 'REPLACE' as const } : {}),
    });
  }

  /** Harmless where it is not there. */
  async delete(key: string, signal: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand(this.#target(key));
    await this.#unlessMissing(() => this.#client.send(command, { abortSignal: signal }), signal);
  }

  /** A URL that takes one PUT of the whole, with this content type, from anybody who has it. */
  presignPut(key: string, contentType: string, seconds: number): Promise<string> {
    const command = new PutObjectCommand({ ...this.#target(key), ...this.#stored({ contentType }) });
    // A header that is not signed could be another one: a page for browsers, say.
    const signableHeaders = new Set(['host', 'content-type']);
    return this.#presigned(() => getSignedUrl(this.#client, command, { expiresIn: seconds, signableHeaders }));
  }

  /** As above, for one part of an upload. */
  presignPart(key: string, uploadId: string, number: number, seconds: number): Promise<string> {
    const command = new UploadPartCommand({ ...this.#target(key), UploadId: uploadId, PartNumber: number });
    return this.#presigned(() => getSignedUrl(this.#client, command, { expiresIn: seconds }));
  }

  async #presigned(work: () => Promise<string>): Promise<string> {
    try {
      return await work();
    } catch (error) {
      throw s3Error(error, this.name);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }

  /** Where the bucket is, as the SDK finds it by endpoint, region and style. */
  async #url(): Promise<URL> {
    const url = new URL(await getSignedUrl(this.#client, new PutObjectCommand(this.#target('k'))));
    return new URL(url.pathname.slice(0, -'/k'.length) || '/', url.origin);
  }

  /** What the SDK takes, with its hash for the signer. The SDK does not see that a file cannot be read: `unread` is told. */
  #bodyFor({ bytes, read, sha256 }: HashedBody, unread = new AbortController()): Uint8Array | Readable {
    const body = bytes ?? Readable.from(read(), { objectMode: false });
    if (body instanceof Readable) body.once('error', (error) => unread.abort(error));
    this.#hashes.set(body, sha256);
    return body;
  }

  #target(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.name, Key: key };
  }

  #stored({ contentType, metadata, tags = {} }: ObjectFacts) {
    const { encryption, kmsKeyId, storageClass } = this.#settings;
    const tagging = this.#settings.tags ? new URLSearchParams(tags).toString() : '';
    return {
      ...(contentType === undefined ? {} : { ContentType: contentType }),
      ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
      ...(tagging === '' ? {} : { Tagging: tagging }),
      ...(encryption === undefined ? {} : { ServerSideEncryption: encryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
      // A name that a newer server knows is passed on as it is.
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
    };
  }

  async #call<Answer>(work: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw s3Error(error, this.name);
    }
  }

  async #unlessMissing<Answer>(work: () => Promise<Answer>, signal: AbortSignal): Promise<Answer | undefined> {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (isMissing(error) && (error as Error).name !== 'NoSuchBucket') return undefined;
      throw s3Error(error, this.name);
    }
  }

  async *#bodyOf(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of body) {
        signal.throwIfAborted();
        yield bytes as Uint8Array;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw s3Error(error, this.name);
    }
  }
}

/** Directory buckets and access points are spoken to in ways of their own. */
function hasOwnSession(bucket: string): boolean {
  return bucket.endsWith('--x-s3') || bucket.startsWith('arn:');
}

/** What `#stored` says, as the headers of a request. */
function headersOf(
  { contentType, metadata = {}, tags = {} }: ObjectFacts,
  settings: S3Settings,
): Record<string, string> {
  const { encryption, kmsKeyId, storageClass } = settings;
  const tagging = settings.tags ? new URLSearchParams(tags).toString() : '';
  return {
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...(tagging === '' ? {} : { 'x-amz-tagging': tagging }),
    ...(encryption === undefined ? {} : { 'x-amz-server-side-encryption': encryption }),
    ...(kmsKeyId === undefined ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKeyId }),
    ...(storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass }),
  };
}

async function* empty(): AsyncGenerator<Uint8Array> {}

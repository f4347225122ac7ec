import type { ArtifactPlan } from '@ritmo/protocol';
import { createHash } from 'node:crypto';
import { ApiError, notFound } from '../errors.js';
import type { ArtifactRow, ArtifactStore } from '../store/artifacts.js';
import type { ArtifactBucket } from './bucket.js';

const mebibyte = 1024 ** 2;
/** Up to here one PUT. */
const wholeBytes = 16 * mebibyte;
/** Of a part at the least: a worker holds some of them in memory and sends them at once. */
const partBytes = 8 * mebibyte;
/** More would make answers too long. */
const maxTargets = 1000;

/** Files of builds in a bucket: presigned for workers, looked at once they are complete, read and removed for people. */
export class BucketFiles {
  readonly #bucket: ArtifactBucket;
  readonly #rows: ArtifactStore;
  /** By seq: who asks once more waits for the same. */
  readonly #completing = new Map<number, Promise<void>>();

  constructor(bucket: ArtifactBucket, rows: ArtifactStore) {
    this.#bucket = bucket;
    this.#rows = rows;
  }

  /** Presigned anew each time; an upload in parts that was begun goes on. */
  async plan(row: ArtifactRow): Promise<ArtifactPlan> {
    const artifactId = row.artifact_id;
    const key = keyOf(row);
    return bucketCall(async () => {
      if (row.size <= wholeBytes) return { artifactId, upload: await this.#bucket.putTarget(key, typeOf(row)) };
      const partSize = partSizeOf(row.size);
      let uploadId = row.upload_id;
      if (uploadId === null) {
        uploadId = await this.#bucket.begin(key, typeOf(row));
        this.#rows.setUploadId(row, uploadId);
      }
      const targets = await this.#bucket.partTargets(key, uploadId, Math.ceil(row.size / partSize));
      return { artifactId, parts: { partSize, targets: [...targets], uploadId } };
    });
  }

  /**
   * Lists a file that is announced with its sha256 and whose bytes another file of the project has in the bucket; false
   * where none has, or its object is gone.
   */
  async share(row: ArtifactRow, project: string): Promise<boolean> {
    const sha256 = row.announced_sha256;
    const other = sha256 === null ? undefined : this.#rows.findInProject(project, 'bucket', row.size, sha256);
    if (sha256 === null || !other) return false;
    const there = await bucketCall(() => this.#bucket.size(keyOf(other)));
    if (there !== row.size) return false;
    const { upload_id: begun } = row;
    if (begun !== null) await bucketCall(() => this.#bucket.abort(keyOf(row), begun));
    this.#rows.setShared(row, sha256, keyOf(other));
    return true;
  }

  /** Makes parts one object, reads it once to see that it is what was announced, and lists it. */
  complete(row: ArtifactRow, sha256: string, etags: readonly string[]): Promise<void> {
    const running = this.#completing.get(row.seq) ?? this.#complete(row, sha256, etags);
    this.#completing.set(row.seq, running);
    const forget = () => void this.#completing.delete(row.seq);
    running.then(forget, forget);
    return running;
  }

  async #complete(row: ArtifactRow, sha256: string, etags: readonly string[]): Promise<void> {
    const key = keyOf(row);
    const found = await bucketCall(async () => {
      if (row.upload_id !== null) await this.#bucket.complete(key, row.upload_id, etags);
      const bytes = await this.#bucket.read(key);
      return bytes && measured(bytes, row.size);
    });
    if (found === undefined)
      throw new ApiError('RITMO_CONFLICT', `No bytes of ${row.path} have arrived.`, { hint: 'Send them first.' });
    if (found.size === row.size && found.sha256 === sha256) {
      this.#rows.setStored(row, sha256);
      return;
    }
    await bucketCall(() => this.#bucket.delete(key));
    this.#rows.setUploadId(row, null);
    throw new ApiError('RITMO_ARTIFACT_UPLOAD', wrongBytes(row, found.size), {
      hint: 'Send it again.',
      retryable: true,
    });
  }

  /** Throws RITMO_NOT_FOUND where the object is gone. */
  async read(row: ArtifactRow): Promise<AsyncIterable<Uint8Array>> {
    const bytes = await bucketCall(() => this.#bucket.read(keyOf(row)));
    if (!bytes) throw notFound(`content of ${row.path} any more`);
    return bytes;
  }

  /** Removes the object where no other file has its bytes in it, and what was sent of a file that is not complete. */
  async remove(row: ArtifactRow): Promise<void> {
    const key = keyOf(row);
    await bucketCall(async () => {
      if (row.state === 'stored') {
        if (!this.#rows.sharesObject(row, key, ownerOf(key))) await this.#bucket.delete(key);
      } else if (row.upload_id !== null) await this.#bucket.abort(key, row.upload_id);
      else await this.#bucket.delete(key);
    });
  }
}

/** Names chosen here: nothing that a worker says is part of a key but an id that was checked. */
function keyOf(row: ArtifactRow): string {
  return row.object_key ?? `${row.job_id}/${row.epoch}/${row.artifact_id}`;
}

function ownerOf(key: string): readonly [jobId: string, epoch: number, id: string] {
  const [jobId = '', epoch = '', id = ''] = key.split('/');
  return [jobId, Number(epoch), id];
}

/** Reads no more than a byte beyond `most`. */
async function measured(bytes: AsyncIterable<Uint8Array>, most: number) {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > most) break;
    hash.update(chunk);
  }
  return { size, sha256: hash.digest('hex') };
}

function wrongBytes({ path, size }: ArtifactRow, arrived: number): string {
  if (arrived === size) return `The bytes of ${path} in the bucket are not those of the sha256 given.`;
  return `${path} was announced with ${size} bytes; ${arrived > size ? 'more' : arrived} arrived.`;
}

/** A worker says it; what is no content type is none. */
function typeOf({ content_type: type }: ArtifactRow): string {
  return /^[\w.+-]+\/[\w.+-]+(; *charset=[\w-]+)?$/.test(type) ? type : 'application/octet-stream';
}

function partSizeOf(size: number): number {
  return Math.max(partBytes, Math.ceil(size / maxTargets / mebibyte) * mebibyte);
}

/** What goes wrong in the bucket is no fault of the caller: it may try again. */
async function bucketCall<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ApiError('RITMO_UNAVAILABLE', `The bucket of the API server cannot be used: ${reason}`, {
      hint: 'The operator of the API server should look at its bucket.',
      cause: error,
    });
  }
}

import type { ArtifactPlan } from '@ritmo/protocol';
import { ApiError, notFound } from '../errors.js';
import type { ArtifactRow, ArtifactStore } from '../store/artifacts.js';
import type { ArtifactBucket } from './bucket.js';

const mebibyte = 1024 ** 2;
/** Up to here one PUT; beyond, parts of this size at least. */
const partBytes = 64 * mebibyte;
/** More would make answers too long. */
const maxTargets = 1000;

/** Files of builds in a bucket: presigned for workers, looked at once they are complete, read and removed for people. */
export class BucketFiles {
  readonly #bucket: ArtifactBucket;
  readonly #rows: ArtifactStore;

  constructor(bucket: ArtifactBucket, rows: ArtifactStore) {
    this.#bucket = bucket;
    this.#rows = rows;
  }

  /** Presigned anew each time; an upload in parts that was begun goes on. */
  async plan(row: ArtifactRow): Promise<ArtifactPlan> {
    const artifactId = row.artifact_id;
    const key = keyOf(row);
    return bucketCall(async () => {
      if (row.size <= partBytes) return { artifactId, upload: await this.#bucket.putTarget(key, typeOf(row)) };
      const partSize = partSizeOf(row.size);
      let uploadId = row.upload_id;
      if (uploadId === null) {
        uploadId = await this.#bucket.begin(key, typeOf(row));
        this.#rows.setUploadId(row, uploadId);
      }
      const targets = await this.#bucket.partTargets(key, uploadId, Math.ceil(row.size / partSize));
      return { artifactId, parts: { partSize, targets: [...targets] } };
    });
  }

  /** Makes parts one object, and checks that the object has the size that was announced. */
  async complete(row: ArtifactRow, etags: readonly string[]): Promise<void> {
    const key = keyOf(row);
    const size = await bucketCall(async () => {
      if (row.upload_id !== null) await this.#bucket.complete(key, row.upload_id, etags);
      return this.#bucket.size(key);
    });
    if (size === row.size) return;
    if (size === undefined)
      throw new ApiError('RITMO_CONFLICT', `No bytes of ${row.path} have arrived.`, { hint: 'Send them first.' });
    await bucketCall(() => this.#bucket.delete(key));
    throw new ApiError('RITMO_ARTIFACT_UPLOAD', `${row.path} was announced with ${row.size} bytes; ${size} arrived.`);
  }

  /** Throws RITMO_NOT_FOUND where the object is gone. */
  async read(row: ArtifactRow): Promise<AsyncIterable<Uint8Array>> {
    const bytes = await bucketCall(() => this.#bucket.read(keyOf(row)));
    if (!bytes) throw notFound(`content of ${row.path} any more`);
    return bytes;
  }

  /** Removes the object, and an upload that is not complete. */
  async remove(row: ArtifactRow): Promise<void> {
    await bucketCall(async () => {
      if (row.state === 'stored') await this.#bucket.delete(keyOf(row));
      else if (row.upload_id !== null) await this.#bucket.abort(keyOf(row), row.upload_id);
    });
  }
}

/** Names chosen here: nothing that a worker says is part of a key but an id that was checked. */
function keyOf(row: ArtifactRow): string {
  return `${row.job_id}/${row.epoch}/${row.artifact_id}`;
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

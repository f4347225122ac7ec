import { type ArtifactFile, type ArtifactPlan, endStates, epochHeader } from '@ritmo/protocol';
import { createHash } from 'node:crypto';
import { ApiError, notFound } from '../errors.js';
import type { JobLifecycle } from '../jobs/lifecycle.js';
import type { Settings } from '../options.js';
import type { ArtifactRow, ArtifactStore } from '../store/artifacts.js';
import type { Database } from '../store/database.js';
import { type JobRow, specOf } from '../store/jobs.js';
import type { BlobStore, Upload } from './blob-store.js';
import type { BucketFiles } from './bucket-files.js';

const emptySha256 = createHash('sha256').digest('hex');

export interface ArtifactParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly artifacts: ArtifactStore;
  readonly blobs: BlobStore;
  readonly lifecycle: JobLifecycle;
  /** Where files go instead of the disk. */
  readonly bucket: BucketFiles | undefined;
}

/** Files of builds on their way in: announced, sent, complete. */
export class Artifacts {
  readonly #parts: ArtifactParts;
  /** One at a time: what is looked at stays so until the change is on disk. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: ArtifactParts) {
    this.#parts = parts;
  }

  /** One plan a file. Announcing the same again is harmless; announcing other facts under an id is refused. */
  async plan(jobId: string, epoch: number, files: readonly ArtifactFile[]): Promise<ArtifactPlan[]> {
    const row = this.#writable(jobId, epoch);
    const { settings, db } = this.#parts;
    const tooLarge = files.find((file) => file.size > settings.maxArtifactBytes);
    if (tooLarge)
      throw new ApiError('RITMO_ARTIFACT_LIMIT', `${tooLarge.path} is larger than ${settings.maxArtifactBytes} bytes.`);
    // Not beside `expire`: what is said to be stored must not be removed meanwhile.
    const plans = await this.#exclusive(async () =>
      db.transaction(() => {
        const planned = files.map((file) => this.#planOne(row, file));
        this.#checkCount(jobId);
        return planned;
      }),
    );
    const answers: ArtifactPlan[] = [];
    for (const plan of plans) answers.push(plan.inBucket ? await this.#exclusive(plan.inBucket) : plan.answer);
    return answers;
  }

  /** Takes the bytes of an announced file; answers their sha256. */
  async upload(jobId: string, epoch: number, artifactId: string, body: AsyncIterable<Uint8Array>): Promise<string> {
    const { blobs } = this.#parts;
    const { size } = this.#awaited(jobId, epoch, artifactId);
    const upload = await blobs.upload(body, size);
    let before: string | null;
    try {
      before = await this.#exclusive(async () => this.#take(jobId, epoch, artifactId, upload));
    } catch (error) {
      await blobs.discardUpload(upload.name);
      throw error;
    }
    if (before !== null) await blobs.discardUpload(before);
    return upload.sha256;
  }

  /** Compares what was sent with what arrived, and lists the file. */
  async complete(
    jobId: string,
    epoch: number,
    artifactId: string,
    { sha256, etags = [] }: { readonly sha256: string; readonly etags?: readonly string[] | undefined },
  ): Promise<void> {
    const { bucket } = this.#parts;
    const row = this.#announced(jobId, epoch, artifactId);
    if (row.state === 'stored' && row.sha256 === sha256) return;
    this.#writable(jobId, epoch);
    if (row.place === 'bucket') {
      await this.#bucketOf(bucket).complete(row, sha256, etags);
      return;
    }
    await this.#exclusive(() => this.#commit(jobId, epoch, artifactId, sha256));
  }

  /** Removes files past their time, what nobody will complete, and contents that no file has any more. */
  expire(): Promise<void> {
    const { artifacts, settings } = this.#parts;
    return this.#exclusive(async () => {
      const now = settings.clock.wall();
      for (const row of artifacts.abandoned(now - settings.lateFinishMs)) await this.#remove(row);
      for (const row of artifacts.expired(now)) await this.#remove(row);
    });
  }

  /** The bytes of a stored file. Throws RITMO_NOT_FOUND when they are gone. */
  async read(row: ArtifactRow & { readonly sha256: string }): Promise<AsyncGenerator<Uint8Array, void, void>> {
    const { blobs, bucket } = this.#parts;
    if (row.place === 'disk') return blobs.read(row.sha256);
    return each(await this.#bucketOf(bucket).read(row));
  }

  /** One of the bucket stays on a server that was started without it. */
  async #remove(row: ArtifactRow): Promise<void> {
    const { artifacts, blobs, bucket } = this.#parts;
    if (row.place === 'bucket') {
      if (!bucket) return;
      await bucket.remove(row);
      artifacts.delete(row);
      return;
    }
    artifacts.delete(row);
    if (row.upload_name !== null) await blobs.discardUpload(row.upload_name);
    if (row.state === 'stored' && row.sha256 !== null && !artifacts.isUsed(row.sha256)) await blobs.delete(row.sha256);
  }

  /** Makes bytes that have arrived those of the file; answers the upload that they take the place of. */
  #take(jobId: string, epoch: number, artifactId: string, upload: Upload): string | null {
    // Once more: the body may have taken long, and the job may have ended.
    const row = this.#awaited(jobId, epoch, artifactId);
    if (row.announced_sha256 !== null && row.announced_sha256 !== upload.sha256)
      throw new ApiError(
        'RITMO_ARTIFACT_UPLOAD',
        `The bytes of ${row.path} are not those of the sha256 that was announced.`,
      );
    this.#parts.artifacts.setUploaded(row, upload);
    return row.upload_name;
  }

  async #commit(jobId: string, epoch: number, artifactId: string, sha256: string): Promise<void> {
    const { artifacts, blobs } = this.#parts;
    const row = this.#announced(jobId, epoch, artifactId);
    if (row.state === 'stored' && row.sha256 === sha256) return;
    this.#writable(jobId, epoch);
    if (row.state === 'planned')
      throw new ApiError('RITMO_CONFLICT', `No bytes of ${row.path} have arrived.`, { hint: 'Send them first.' });
    if (row.sha256 !== sha256 || row.upload_name === null)
      throw new ApiError('RITMO_ARTIFACT_UPLOAD', `The bytes of ${row.path} are not those of the sha256 given.`);
    await blobs.commit({ name: row.upload_name, sha256 });
    artifacts.setStored(row, sha256);
  }

  /** A file of the bucket, on a server that was started without it. */
  #bucketOf(bucket: BucketFiles | undefined): BucketFiles {
    if (bucket) return bucket;
    throw new ApiError('RITMO_UNAVAILABLE', 'The file is in a bucket, and this API server was started without one.', {
      hint: 'Start the server with the --artifact-bucket that it had.',
    });
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }

  #checkCount(jobId: string): void {
    const { artifacts, settings } = this.#parts;
    if (artifacts.countAnnounced(jobId) > settings.maxArtifactFiles)
      throw new ApiError('RITMO_ARTIFACT_LIMIT', `The job has more than ${settings.maxArtifactFiles} files.`);
  }

  #planOne(job: JobRow, file: ArtifactFile): Planned {
    const { artifacts, bucket } = this.#parts;
    const { artifactId } = file;
    const before = artifacts.find(job.id, job.epoch, artifactId);
    if (before && (before.path !== file.path || before.name !== file.name || before.size !== file.size))
      throw new ApiError('RITMO_CONFLICT', `The artifact id ${artifactId} was announced for another file.`);
    if (before?.state === 'planned' && file.sha256 !== undefined) this.#announceAgain(job, before, file.sha256);
    const row = before ? this.#announced(job.id, job.epoch, artifactId) : this.#insert(job, file);
    if (row.state === 'stored') return { answer: { artifactId, stored: true } };
    const url = `/v1/jobs/${job.id}/artifacts/${artifactId}/content`;
    const headers = { 'Content-Type': 'application/octet-stream', [epochHeader]: String(job.epoch) };
    const worthAsking = row.announced_sha256 === null;
    const may = worthAsking && artifacts.findInProject(job.project, row.place, file.size, undefined) !== undefined;
    const known = may ? { known: true } : {};
    const answer = { artifactId, upload: { url, headers }, ...known };
    if (row.place === 'disk') return { answer };
    const inBucket = async () => {
      const files = this.#bucketOf(bucket);
      // Read again: of two calls for one file, the second goes on with the upload that the first began.
      const now = this.#announced(job.id, job.epoch, artifactId);
      if (now.state === 'stored' || (await files.share(now, job.project))) return { artifactId, stored: true };
      return { ...(await files.plan(now)), ...known };
    };
    return { answer, inBucket };
  }

  #insert(job: JobRow, file: ArtifactFile): ArtifactRow {
    const { artifacts, settings, bucket } = this.#parts;
    const empty = file.linkTarget !== undefined || file.size === 0;
    // Only what the same project stored before: an answer that depends on other projects would tell of them.
    const had = !bucket && file.sha256 !== undefined && this.#onDisk(job, file.size, file.sha256);
    const sha256 = empty ? emptySha256 : had ? (file.sha256 ?? null) : null;
    const expireIn = specOf(job).artifacts.find((one) => one.name === file.name)?.expireIn;
    const expiresAt = expireIn === undefined ? null : settings.clock.wall() + expireIn;
    const place = bucket && !empty ? 'bucket' : 'disk';
    artifacts.insert(job.id, job.epoch, file, empty || had ? 'stored' : 'planned', sha256, expiresAt, place);
    return this.#announced(job.id, job.epoch, file.artifactId);
  }

  #announceAgain(job: JobRow, row: ArtifactRow, sha256: string): void {
    const { artifacts } = this.#parts;
    if (row.announced_sha256 !== null && row.announced_sha256 !== sha256)
      throw new ApiError('RITMO_CONFLICT', `The artifact id ${row.artifact_id} was announced with another sha256.`);
    artifacts.setAnnounced(row, sha256);
    if (row.place === 'disk' && this.#onDisk(job, row.size, sha256)) artifacts.setStored(row, sha256);
  }

  #onDisk({ project }: JobRow, size: number, sha256: string): boolean {
    return this.#parts.artifacts.findInProject(project, 'disk', size, sha256) !== undefined;
  }

  #announced(jobId: string, epoch: number, artifactId: string): ArtifactRow {
    const row = this.#parts.artifacts.find(jobId, epoch, artifactId);
    if (!row) throw notFound(`artifact ${artifactId} announced for attempt ${epoch}`);
    return row;
  }

  /** A file whose bytes may be sent to this server now. */
  #awaited(jobId: string, epoch: number, artifactId: string): ArtifactRow {
    this.#writable(jobId, epoch);
    const row = this.#announced(jobId, epoch, artifactId);
    if (row.state === 'stored') throw new ApiError('RITMO_CONFLICT', 'The file is stored already.');
    if (row.place === 'bucket')
      throw new ApiError('RITMO_CONFLICT', 'The file goes to the bucket that its plan names.');
    return row;
  }

  /** The job, while files may be added: until its end, and after a lost lease until its late finish. */
  #writable(jobId: string, epoch: number): JobRow {
    const row = this.#parts.lifecycle.current(jobId, epoch);
    if (endStates.has(row.state) && row.lost_at === null)
      throw new ApiError('RITMO_CONFLICT', `The job has ended: ${row.state}.`);
    return row;
  }
}

interface Planned {
  readonly answer: ArtifactPlan;
  /** Asked for once the rows are in the database. */
  readonly inBucket?: () => Promise<ArtifactPlan>;
}

async function* each(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  yield* bytes;
}

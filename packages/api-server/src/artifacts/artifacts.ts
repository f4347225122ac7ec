import { type ArtifactFile, type ArtifactPlan, endStates, epochHeader } from '@ritmo/protocol';
import { createHash } from 'node:crypto';
import { ApiError, notFound } from '../errors.js';
import type { JobLifecycle } from '../jobs/lifecycle.js';
import type { Settings } from '../options.js';
import type { ArtifactRow, ArtifactStore } from '../store/artifacts.js';
import type { Database } from '../store/database.js';
import { type JobRow, specOf } from '../store/jobs.js';
import type { BlobStore } from './blob-store.js';

const emptySha256 = createHash('sha256').digest('hex');

export interface ArtifactParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly artifacts: ArtifactStore;
  readonly blobs: BlobStore;
  readonly lifecycle: JobLifecycle;
}

/** Files of builds on their way in: announced, sent, complete. */
export class Artifacts {
  readonly #parts: ArtifactParts;
  /** One at a time: a content is not removed while another file becomes it. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: ArtifactParts) {
    this.#parts = parts;
  }

  /** One plan a file. Announcing the same again is harmless; announcing other facts under an id is refused. */
  plan(jobId: string, epoch: number, files: readonly ArtifactFile[]): ArtifactPlan[] {
    const row = this.#writable(jobId, epoch);
    const { settings, db } = this.#parts;
    const tooLarge = files.find((file) => file.size > settings.maxArtifactBytes);
    if (tooLarge)
      throw new ApiError('RITMO_ARTIFACT_LIMIT', `${tooLarge.path} is larger than ${settings.maxArtifactBytes} bytes.`);
    return db.transaction(() => files.map((file) => this.#planOne(row, file)));
  }

  /** Takes the bytes of an announced file; answers their sha256. */
  async upload(jobId: string, epoch: number, artifactId: string, body: AsyncIterable<Uint8Array>): Promise<string> {
    const { artifacts, blobs } = this.#parts;
    this.#writable(jobId, epoch);
    const row = this.#announced(jobId, epoch, artifactId);
    if (row.state === 'stored') throw new ApiError('RITMO_CONFLICT', 'The file is stored already.');
    const name = uploadName(row);
    const sha256 = await blobs.upload(name, body, row.size);
    if (row.announced_sha256 !== null && row.announced_sha256 !== sha256) {
      await blobs.discardUpload(name);
      throw new ApiError(
        'RITMO_ARTIFACT_UPLOAD',
        `The bytes of ${row.path} are not those of the sha256 that was announced.`,
      );
    }
    artifacts.setState(row, 'uploaded', sha256);
    return sha256;
  }

  /** Compares what was sent with what arrived, and lists the file. */
  async complete(jobId: string, epoch: number, artifactId: string, sha256: string): Promise<void> {
    const { artifacts, blobs } = this.#parts;
    const row = this.#announced(jobId, epoch, artifactId);
    if (row.state === 'stored' && row.sha256 === sha256) return;
    this.#writable(jobId, epoch);
    if (row.state === 'planned')
      throw new ApiError('RITMO_CONFLICT', `No bytes of ${row.path} have arrived.`, { hint: 'Send them first.' });
    if (row.sha256 !== sha256)
      throw new ApiError('RITMO_ARTIFACT_UPLOAD', `The bytes of ${row.path} are not those of the sha256 given.`);
    await this.#exclusive(async () => {
      await blobs.commit(uploadName(row), sha256);
      artifacts.setState(row, 'stored', sha256);
    });
  }

  /** Removes files past their time, and contents that no file has any more. */
  expire(): Promise<void> {
    const { artifacts, blobs, settings } = this.#parts;
    return this.#exclusive(async () => {
      for (const row of artifacts.expired(settings.clock.wall())) {
        artifacts.delete(row);
        if (row.state === 'uploaded') await blobs.discardUpload(uploadName(row));
        if (row.state === 'stored' && row.sha256 !== null && !artifacts.isUsed(row.sha256))
          await blobs.delete(row.sha256);
      }
    });
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }

  #planOne(job: JobRow, file: ArtifactFile): ArtifactPlan {
    const { artifacts, settings } = this.#parts;
    const { artifactId } = file;
    const known = artifacts.find(job.id, job.epoch, artifactId);
    if (known && (known.path !== file.path || known.name !== file.name || known.size !== file.size))
      throw new ApiError('RITMO_CONFLICT', `The artifact id ${artifactId} was announced for another file.`);
    if (known?.state === 'stored') return { artifactId, stored: true };
    if (!known) {
      const link = file.linkTarget !== undefined;
      const empty = file.size === 0;
      // Only what this same job stored before: an answer that depends on other jobs would tell of them.
      const had = file.sha256 !== undefined && artifacts.jobHas(job.id, file.sha256, file.size);
      const sha256 = link || empty ? emptySha256 : had ? (file.sha256 ?? null) : null;
      const expireIn = specOf(job).artifacts.find((one) => one.name === file.name)?.expireIn;
      const stored = link || empty || had;
      const expiresAt = expireIn === undefined ? null : settings.clock.wall() + expireIn;
      artifacts.insert(job.id, job.epoch, file, stored ? 'stored' : 'planned', sha256, expiresAt);
      if (stored) return { artifactId, stored: true };
    }
    const url = `/v1/jobs/${job.id}/artifacts/${artifactId}/content`;
    const headers = { 'Content-Type': 'application/octet-stream', [epochHeader]: String(job.epoch) };
    return { artifactId, upload: { url, headers } };
  }

  #announced(jobId: string, epoch: number, artifactId: string): ArtifactRow {
    const row = this.#parts.artifacts.find(jobId, epoch, artifactId);
    if (!row) throw notFound(`artifact ${artifactId} announced for attempt ${epoch}`);
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

/** Name of an upload on disk. */
export function uploadName(row: Pick<ArtifactRow, 'job_id' | 'epoch' | 'artifact_id'>): string {
  return `${row.job_id}.${row.epoch}.${row.artifact_id}`;
}

/** The row of an upload found on disk, by the name above; nothing for a torn one. */
export function parseUploadName(name: string): { jobId: string; epoch: number; artifactId: string } | undefined {
  const [jobId, epoch, artifactId, ...rest] = name.split('.');
  if (jobId === undefined || epoch === undefined || artifactId === undefined || rest.length > 0) return undefined;
  return { jobId, epoch: Number(epoch), artifactId };
}

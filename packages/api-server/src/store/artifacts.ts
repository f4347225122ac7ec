import type { ArtifactFile } from '@ritmo/protocol';
import type { Database } from './database.js';

/** `planned`: announced. `uploaded`: the bytes are on disk. `stored`: complete, and listed. */
export type ArtifactState = 'planned' | 'uploaded' | 'stored';

export interface ArtifactRow extends Record<string, unknown> {
  readonly seq: number;
  readonly job_id: string;
  readonly epoch: number;
  readonly artifact_id: string;
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly content_type: string;
  readonly link_target: string | null;
  readonly announced_sha256: string | null;
  readonly sha256: string | null;
  readonly state: ArtifactState;
  readonly expires_at: number | null;
  /** Where its bytes are, or will be. */
  readonly place: 'disk' | 'bucket';
  /** File of the bytes that have arrived, in state `uploaded`; they are those of `sha256`. */
  readonly upload_name: string | null;
  /** Of an upload to the bucket in parts. */
  readonly upload_id: string | null;
  /** Of the object with its bytes, where another file brought it to the bucket. */
  readonly object_key: string | null;
}

/** Rows of announced and stored files. */
export class ArtifactStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  insert(
    jobId: string,
    epoch: number,
    file: ArtifactFile,
    state: ArtifactState,
    sha256: string | null,
    expiresAt: number | null,
    place: ArtifactRow['place'] = 'disk',
  ): void {
    this.#db.run(
      `INSERT INTO artifacts (job_id, epoch, artifact_id, name, path, size, mode, content_type, link_target, announced_sha256, sha256, state, expires_at, place)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      jobId,
      epoch,
      file.artifactId,
      file.name,
      file.path,
      file.size,
      file.mode,
      file.contentType,
      file.linkTarget ?? null,
      file.sha256 ?? null,
      sha256,
      state,
      expiresAt,
      place,
    );
  }

  find(jobId: string, epoch: number, artifactId: string): ArtifactRow | undefined {
    return this.#db.get<ArtifactRow>(
      'SELECT * FROM artifacts WHERE job_id = ? AND epoch = ? AND artifact_id = ?',
      jobId,
      epoch,
      artifactId,
    );
  }

  /** The stored file of the latest attempt that has it. */
  findStored(jobId: string, artifactId: string): ArtifactRow | undefined {
    return this.#db.get<ArtifactRow>(
      "SELECT * FROM artifacts WHERE job_id = ? AND artifact_id = ? AND state = 'stored' ORDER BY epoch DESC",
      jobId,
      artifactId,
    );
  }

  /** A file of this size that a job of the project has stored in the place, of this content where it is given. */
  findInProject(
    project: string,
    place: ArtifactRow['place'],
    size: number,
    sha256: string | undefined,
  ): ArtifactRow | undefined {
    // The place is spelt out, as it is in the indexes.
    return this.#db.get<ArtifactRow>(
      `SELECT artifacts.* FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id
       WHERE artifacts.size = ? AND artifacts.state = 'stored' AND artifacts.place = '${place}' AND jobs.project = ?
       ${sha256 === undefined ? '' : 'AND artifacts.sha256 = ?'} LIMIT 1`,
      size,
      project,
      ...(sha256 === undefined ? [] : [sha256]),
    );
  }

  setAnnounced(row: ArtifactRow, sha256: string): void {
    this.#db.run('UPDATE artifacts SET announced_sha256 = ? WHERE seq = ?', sha256, row.seq);
  }

  setUploaded(row: ArtifactRow, upload: { readonly name: string; readonly sha256: string }): void {
    const sql = "UPDATE artifacts SET state = 'uploaded', upload_name = ?, sha256 = ? WHERE seq = ?";
    this.#db.run(sql, upload.name, upload.sha256, row.seq);
  }

  setStored(row: ArtifactRow, sha256: string): void {
    const sql = "UPDATE artifacts SET state = 'stored', upload_name = NULL, sha256 = ? WHERE seq = ?";
    this.#db.run(sql, sha256, row.seq);
  }

  /** Makes the file one whose bytes are in an object that is there. */
  setShared(row: ArtifactRow, sha256: string, objectKey: string): void {
    const sql = "UPDATE artifacts SET state = 'stored', upload_id = NULL, sha256 = ?, object_key = ? WHERE seq = ?";
    this.#db.run(sql, sha256, objectKey, row.seq);
  }

  /** Whether a stored file besides this one has its bytes in the object, which the owner brought. */
  sharesObject(
    row: ArtifactRow,
    objectKey: string,
    owner: readonly [jobId: string, epoch: number, id: string],
  ): boolean {
    return (
      this.#db.get(
        `SELECT 1 FROM artifacts WHERE seq <> ? AND state = 'stored' AND (object_key = ?
         OR (place = 'bucket' AND object_key IS NULL AND job_id = ? AND epoch = ? AND artifact_id = ?)) LIMIT 1`,
        row.seq,
        objectKey,
        ...owner,
      ) !== undefined
    );
  }

  /** Whether a file that is not complete yet has its bytes in this upload. */
  hasUpload(name: string): boolean {
    return this.#db.get('SELECT 1 FROM artifacts WHERE upload_name = ?', name) !== undefined;
  }

  /** In the order in which they were announced; `from` is the seq of the last one before the page. */
  listStored(jobId: string, epoch: number, page: { readonly from: number | undefined; readonly limit: number }) {
    return this.#db.all<ArtifactRow>(
      "SELECT * FROM artifacts WHERE job_id = ? AND epoch = ? AND state = 'stored' AND seq > ? ORDER BY seq LIMIT ?",
      jobId,
      epoch,
      page.from ?? 0,
      page.limit,
    );
  }

  /** Files that all attempts of a job have announced. */
  countAnnounced(jobId: string): number {
    return this.#db.get<{ n: number }>('SELECT count(*) AS n FROM artifacts WHERE job_id = ?', jobId)?.n ?? 0;
  }

  countStored(jobId: string, epoch: number): number {
    const row = this.#db.get<{ n: number }>(
      "SELECT count(*) AS n FROM artifacts WHERE job_id = ? AND epoch = ? AND state = 'stored'",
      jobId,
      epoch,
    );
    return row?.n ?? 0;
  }

  /** Files past their time. */
  expired(now: number): ArtifactRow[] {
    return this.#db.all<ArtifactRow>('SELECT * FROM artifacts WHERE expires_at IS NOT NULL AND expires_at <= ?', now);
  }

  setUploadId(row: ArtifactRow, uploadId: string | null): void {
    this.#db.run('UPDATE artifacts SET upload_id = ? WHERE seq = ?', uploadId, row.seq);
  }

  /**
   * Files that may have bytes somewhere and that nobody will complete: their attempt is over, or was lost before
   * `lostBefore` for good.
   */
  abandoned(lostBefore: number): ArtifactRow[] {
    return this.#db.all<ArtifactRow>(
      `SELECT artifacts.* FROM artifacts JOIN jobs ON jobs.id = artifacts.job_id
       WHERE artifacts.state <> 'stored' AND (artifacts.upload_name IS NOT NULL OR artifacts.place = 'bucket')
       AND (jobs.epoch <> artifacts.epoch
         OR (jobs.ended_at IS NOT NULL AND (jobs.lost_at IS NULL OR jobs.lost_at <= ?)))`,
      lostBefore,
    );
  }

  delete(row: ArtifactRow): void {
    this.#db.run('DELETE FROM artifacts WHERE seq = ?', row.seq);
  }

  /** Whether any stored file has this content. */
  isUsed(sha256: string): boolean {
    return (
      this.#db.get("SELECT 1 FROM artifacts WHERE sha256 = ? AND state = 'stored' AND place = 'disk'", sha256) !==
      undefined
    );
  }
}

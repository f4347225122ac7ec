import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Database } from './database.js';

const ivBytes = 12;
const tagBytes = 16;

/** Secrets of jobs: AES-256-GCM at rest, bound to job and name, erased at the job's end. */
export class SecretStore {
  readonly #db: Database;
  readonly #key: Uint8Array;
  readonly #fingerprintKey: Uint8Array;

  constructor(db: Database, masterKey: Uint8Array) {
    this.#db = db;
    this.#key = new Uint8Array(hkdfSync('sha256', masterKey, '', 'ritmo secrets', 32));
    this.#fingerprintKey = new Uint8Array(hkdfSync('sha256', masterKey, '', 'ritmo fingerprints', 32));
  }

  put(jobId: string, secrets: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(secrets))
      this.#db.run(
        'INSERT INTO secrets (job_id, name, sealed) VALUES (?, ?, ?)',
        jobId,
        name,
        this.#seal(jobId, name, value),
      );
  }

  /** Values of those names that were handed in. */
  get(jobId: string, names: ReadonlySet<string>): Record<string, string> {
    const rows = this.#db.all<{ name: string; sealed: ArrayBuffer }>(
      'SELECT name, sealed FROM secrets WHERE job_id = ?',
      jobId,
    );
    const wanted = rows.filter((row) => names.has(row.name));
    return Object.fromEntries(wanted.map((row) => [row.name, this.#open(jobId, row.name, Buffer.from(row.sealed))]));
  }

  /** Bytes of all values of a job, sealed. */
  size(jobId: string): number {
    const sql = 'SELECT coalesce(sum(length(sealed)), 0) AS bytes FROM secrets WHERE job_id = ?';
    return this.#db.get<{ bytes: number }>(sql, jobId)?.bytes ?? 0;
  }

  erase(jobId: string): void {
    this.#db.run('DELETE FROM secrets WHERE job_id = ?', jobId);
  }

  /** Tells equal texts from different ones without giving anything of them away. */
  fingerprint(text: string): string {
    return createHmac('sha256', this.#fingerprintKey).update(text).digest('hex');
  }

  #seal(jobId: string, name: string, value: string): Uint8Array {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(`${jobId}/${name}`));
    const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), text]);
  }

  #open(jobId: string, name: string, sealed: Uint8Array): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, ivBytes))
      .setAAD(Buffer.from(`${jobId}/${name}`))
      .setAuthTag(sealed.subarray(ivBytes, ivBytes + tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(ivBytes + tagBytes)), decipher.final()]).toString('utf8');
  }
}

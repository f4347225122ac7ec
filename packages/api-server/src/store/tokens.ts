import { createHash, randomBytes } from 'node:crypto';
import type { Database } from './database.js';

/** Whose token it was, as far as the database knows. */
export type TokenOwner =
  | { readonly role: 'worker'; readonly workerId: string; readonly instanceId: string }
  | {
      readonly role: 'job';
      readonly workerId: string;
      readonly instanceId: string;
      readonly jobId: string;
      readonly epoch: number;
    };

interface TokenRow extends Record<string, unknown> {
  role: 'worker' | 'job';
  worker_id: string;
  instance_id: string;
  job_id: string | null;
  epoch: number | null;
}

/** A new token: 256 random bits behind a prefix that says what it is. */
export function newToken(role: string): string {
  return `ritmo_${role}_${randomBytes(32).toString('base64url')}`;
}

/** What is kept of a token. The tokens are random and long, so a plain hash is enough. */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Tokens of workers and jobs, kept as hashes. */
export class TokenStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The lookup is by hash, so that its timing says nothing about the token. */
  find(token: string): TokenOwner | undefined {
    const row = this.#db.get<TokenRow>('SELECT * FROM tokens WHERE hash = ?', hashOf(token));
    if (!row) return undefined;
    const worker = { workerId: row.worker_id, instanceId: row.instance_id };
    if (row.role === 'worker') return { role: 'worker', ...worker };
    return { role: 'job', ...worker, jobId: row.job_id ?? '', epoch: row.epoch ?? 0 };
  }

  /** A token for this instance; the one it had before ends. */
  issueWorker(workerId: string, instanceId: string): string {
    const token = newToken('worker');
    this.#db.run(
      "DELETE FROM tokens WHERE worker_id = ? AND instance_id = ? AND role = 'worker'",
      workerId,
      instanceId,
    );
    this.#db.run(
      "INSERT INTO tokens (hash, role, worker_id, instance_id) VALUES (?, 'worker', ?, ?)",
      hashOf(token),
      workerId,
      instanceId,
    );
    return token;
  }

  /** A token for one job and epoch; the one that it had before ends. */
  issueJob(jobId: string, epoch: number, workerId: string, instanceId: string): string {
    const token = newToken('job');
    this.#db.run("DELETE FROM tokens WHERE job_id = ? AND epoch = ? AND role = 'job'", jobId, epoch);
    this.#db.run(
      "INSERT INTO tokens (hash, role, worker_id, instance_id, job_id, epoch) VALUES (?, 'job', ?, ?, ?, ?)",
      hashOf(token),
      workerId,
      instanceId,
      jobId,
      epoch,
    );
    return token;
  }

  /** Ends the worker tokens of a worker that is gone. */
  dropWorker(workerId: string): void {
    this.#db.run("DELETE FROM tokens WHERE worker_id = ? AND role = 'worker'", workerId);
  }
}

import type { Database, Value } from './database.js';

export interface AttemptRow extends Record<string, unknown> {
  readonly job_id: string;
  readonly epoch: number;
  readonly worker_id: string;
  readonly worker: string;
  /** A job state, or `released`: handed back, or never accepted. */
  readonly state: string;
  readonly request_id: string;
  readonly reoffered: number;
  readonly offered_at: number;
  readonly ended_at: number | null;
  readonly log_sealed: number;
  readonly log_sha256: string | null;
  readonly log_restarted: number;
  /** The first finish of the agent, as JSON. */
  readonly finish: string | null;
}

export type AttemptChange = Partial<
  Pick<AttemptRow, 'state' | 'reoffered' | 'ended_at' | 'log_sealed' | 'log_sha256' | 'log_restarted' | 'finish'>
>;

/** Rows of hand-outs, one for each epoch. */
export class AttemptStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  insert(row: Pick<AttemptRow, 'job_id' | 'epoch' | 'worker_id' | 'worker' | 'request_id' | 'offered_at'>): void {
    this.#db.run(
      `INSERT INTO attempts (job_id, epoch, worker_id, worker, state, request_id, offered_at) VALUES (?, ?, ?, ?, 'offered', ?, ?)`,
      row.job_id,
      row.epoch,
      row.worker_id,
      row.worker,
      row.request_id,
      row.offered_at,
    );
  }

  find(jobId: string, epoch: number): AttemptRow | undefined {
    return this.#db.get<AttemptRow>('SELECT * FROM attempts WHERE job_id = ? AND epoch = ?', jobId, epoch);
  }

  update(jobId: string, epoch: number, change: AttemptChange): void {
    const entries = Object.entries(change) as [string, Value][];
    const columns = entries.map(([column]) => `${column} = ?`).join(', ');
    this.#db.run(
      `UPDATE attempts SET ${columns} WHERE job_id = ? AND epoch = ?`,
      ...entries.map(([, value]) => value),
      jobId,
      epoch,
    );
  }

  ofJob(jobId: string): AttemptRow[] {
    return this.#db.all<AttemptRow>('SELECT * FROM attempts WHERE job_id = ? ORDER BY epoch', jobId);
  }

  /** Hand-outs of one claim that the worker has not given up. */
  ofRequest(workerId: string, requestId: string): AttemptRow[] {
    return this.#db.all<AttemptRow>(
      "SELECT * FROM attempts WHERE worker_id = ? AND request_id = ? AND state IN ('offered', 'running') ORDER BY offered_at, job_id",
      workerId,
      requestId,
    );
  }
}

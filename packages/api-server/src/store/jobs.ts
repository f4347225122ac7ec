import type { Job, JobState } from '@ritmo/protocol';
import type { Database, Value } from './database.js';

export interface JobRow extends Record<string, unknown> {
  readonly seq: number;
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  /** Of the last hand-out; 0 before the first. */
  readonly epoch: number;
  /** Attempts that count against `attempts` of the job. */
  readonly counted: number;
  readonly spec: string;
  readonly project: string;
  readonly labels: string;
  readonly cancel_reason: string | null;
  readonly cancel_grace_ms: number | null;
  readonly worker_id: string | null;
  readonly worker: string | null;
  readonly created_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  /** When the lease was lost, while a late finish may still replace that end. */
  readonly lost_at: number | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly failure: string | null;
  readonly steps: string;
  readonly idempotency_key: string | null;
  readonly idempotency_hash: string | null;
}

export type JobChange = Partial<Omit<JobRow, 'seq' | 'id' | 'spec' | 'labels'>>;

export interface JobFilter {
  readonly states: readonly JobState[];
  readonly labels: Readonly<Record<string, string>>;
  /** Only jobs older than this `seq`. */
  readonly before?: number;
  readonly limit: number;
}

/** Rows of jobs. */
export class JobStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  insert(job: {
    id: string;
    spec: Job;
    project: string;
    createdAt: number;
    idempotencyKey: string | null;
    idempotencyHash: string | null;
  }): JobRow {
    this.#db.run(
      `INSERT INTO jobs (id, name, state, spec, project, labels, created_at, idempotency_key, idempotency_hash)
       VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?)`,
      job.id,
      job.spec.name,
      JSON.stringify(job.spec),
      job.project,
      JSON.stringify(job.spec.labels),
      job.createdAt,
      job.idempotencyKey,
      job.idempotencyHash,
    );
    return this.require(job.id);
  }

  find(id: string): JobRow | undefined {
    return this.#db.get<JobRow>('SELECT * FROM jobs WHERE id = ?', id);
  }

  /** A job that is known to be there. */
  require(id: string): JobRow {
    const row = this.find(id);
    if (!row) throw new Error(`job ${id} vanished`);
    return row;
  }

  findByKey(key: string): JobRow | undefined {
    return this.#db.get<JobRow>('SELECT * FROM jobs WHERE idempotency_key = ?', key);
  }

  update(id: string, change: JobChange): JobRow {
    const entries = Object.entries(change) as [string, Value][];
    const columns = entries.map(([column]) => `${column} = ?`).join(', ');
    this.#db.run(`UPDATE jobs SET ${columns} WHERE id = ?`, ...entries.map(([, value]) => value), id);
    return this.require(id);
  }

  inStates(...states: JobState[]): JobRow[] {
    const marks = states.map(() => '?').join(', ');
    return this.#db.all<JobRow>(`SELECT * FROM jobs WHERE state IN (${marks}) ORDER BY seq`, ...states);
  }

  /** Jobs that a worker holds: offered or running. */
  heldBy(workerId: string): JobRow[] {
    return this.#db.all<JobRow>(
      "SELECT * FROM jobs WHERE worker_id = ? AND state IN ('offered', 'running') ORDER BY seq",
      workerId,
    );
  }

  /** The newest first. */
  list(filter: JobFilter): JobRow[] {
    const where: string[] = [];
    const values: Value[] = [];
    if (filter.states.length > 0) {
      where.push(`state IN (${filter.states.map(() => '?').join(', ')})`);
      values.push(...filter.states);
    }
    for (const [key, value] of Object.entries(filter.labels)) {
      where.push('EXISTS (SELECT 1 FROM json_each(jobs.labels) WHERE key = ? AND value = ?)');
      values.push(key, value);
    }
    if (filter.before !== undefined) {
      where.push('seq < ?');
      values.push(filter.before);
    }
    const clause = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
    return this.#db.all<JobRow>(`SELECT * FROM jobs ${clause} ORDER BY seq DESC LIMIT ?`, ...values, filter.limit);
  }

  countByState(): ReadonlyMap<string, number> {
    const rows = this.#db.all<{ state: string; n: number }>('SELECT state, count(*) AS n FROM jobs GROUP BY state');
    return new Map(rows.map((row) => [row.state, row.n]));
  }
}

/** The job as it was submitted, with its defaults. */
export function specOf(row: JobRow): Job {
  return JSON.parse(row.spec) as Job;
}

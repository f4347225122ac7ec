import type { WorkerEvent, WorkerInfo } from '@ritmo/protocol';
import type { Database } from './database.js';

/** What an operator wants of a worker. */
export type Desired = 'run' | 'pause' | 'drain';

export interface WorkerRow extends Record<string, unknown> {
  readonly id: string;
  readonly name: string;
  readonly resume_key_hash: string;
  readonly instance_id: string;
  /** 1 once a call came with the token of this instance: its registration was received. */
  readonly token_used: number;
  readonly info: string;
  readonly desired: Desired;
  readonly event_seq: number;
  readonly registered_at: number;
  readonly last_seen_at: number;
}

/** What is kept of a registration: neither resume key nor instance. */
export type StoredInfo = Omit<WorkerInfo, 'instanceId' | 'resumeKey'>;

/** What an event says, without its number. */
export type EventBody = WorkerEvent extends infer E ? (E extends WorkerEvent ? Omit<E, 'seq'> : never) : never;

const eventsKept = 1000;

/** Rows of workers and of the events on their way to them. */
export class WorkerStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  insert(row: {
    id: string;
    name: string;
    resumeKeyHash: string;
    instanceId: string;
    info: StoredInfo;
    now: number;
  }): void {
    this.#db.run(
      `INSERT INTO workers (id, name, resume_key_hash, instance_id, info, registered_at, last_seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.name,
      row.resumeKeyHash,
      row.instanceId,
      JSON.stringify(row.info),
      row.now,
      row.now,
    );
  }

  find(id: string): WorkerRow | undefined {
    return this.#db.get<WorkerRow>('SELECT * FROM workers WHERE id = ?', id);
  }

  findByName(name: string): WorkerRow | undefined {
    return this.#db.get<WorkerRow>('SELECT * FROM workers WHERE name = ?', name);
  }

  all(): WorkerRow[] {
    return this.#db.all<WorkerRow>('SELECT * FROM workers ORDER BY name');
  }

  setInfo(id: string, info: StoredInfo): void {
    this.#db.run('UPDATE workers SET info = ? WHERE id = ?', JSON.stringify(info), id);
  }

  setInstance(id: string, instanceId: string, now: number): void {
    this.#db.run(
      'UPDATE workers SET instance_id = ?, token_used = 0, last_seen_at = ? WHERE id = ?',
      instanceId,
      now,
      id,
    );
  }

  setResumeKey(id: string, hash: string): void {
    this.#db.run('UPDATE workers SET resume_key_hash = ? WHERE id = ?', hash, id);
  }

  setTokenUsed(id: string): void {
    this.#db.run('UPDATE workers SET token_used = 1 WHERE id = ?', id);
  }

  setDesired(id: string, desired: Desired): void {
    this.#db.run('UPDATE workers SET desired = ? WHERE id = ?', desired, id);
  }

  setLastSeen(id: string, now: number): void {
    this.#db.run('UPDATE workers SET last_seen_at = ? WHERE id = ?', now, id);
  }

  delete(id: string): void {
    this.#db.run('DELETE FROM workers WHERE id = ?', id);
  }

  /** Keeps an event under the next number of the worker. */
  addEvent(id: string, body: EventBody): WorkerEvent {
    this.#db.run('UPDATE workers SET event_seq = event_seq + 1 WHERE id = ?', id);
    const seq = this.find(id)?.event_seq ?? 0;
    const event: WorkerEvent = { seq, ...body };
    this.#db.run('INSERT INTO worker_events (worker_id, seq, event) VALUES (?, ?, ?)', id, seq, JSON.stringify(event));
    this.#db.run('DELETE FROM worker_events WHERE worker_id = ? AND seq <= ?', id, seq - eventsKept);
    return event;
  }

  eventsAfter(id: string, seq: number): WorkerEvent[] {
    const rows = this.#db.all<{ event: string }>(
      'SELECT event FROM worker_events WHERE worker_id = ? AND seq > ? ORDER BY seq',
      id,
      seq,
    );
    return rows.map((row) => JSON.parse(row.event) as WorkerEvent);
  }

  dropEvents(id: string): void {
    this.#db.run('DELETE FROM worker_events WHERE worker_id = ?', id);
  }
}

export function infoOf(row: WorkerRow): StoredInfo {
  return JSON.parse(row.info) as StoredInfo;
}

import type { WorkerStatus } from '@ritmo/protocol';
import { type Clock, Stopwatch } from '../clock.js';
import { type Desired, type StoredInfo, type WorkerRow, infoOf } from '../store/workers.js';

/** A worker as it is now. */
export interface Worker {
  readonly id: string;
  readonly name: string;
  instanceId: string;
  tokenUsed: boolean;
  info: StoredInfo;
  desired: Desired;
  /** An operator's `resume` that the worker has not yet shown. */
  resumePending: boolean;
  status: Pick<WorkerStatus, 'state' | 'reasons'>;
  lastSeenAt: number;
  readonly seen: Stopwatch;
  /** False until this server has heard of it. */
  heard: boolean;
}

/** Workers in memory, by id. */
export class WorkerDirectory {
  readonly #clock: Clock;
  readonly #offlineMs: number;
  readonly #workers = new Map<string, Worker>();

  constructor(clock: Clock, offlineMs: number) {
    this.#clock = clock;
    this.#offlineMs = offlineMs;
  }

  /** Takes over what the database says; a worker that is known stays the same object. */
  load(row: WorkerRow): Worker {
    const facts = {
      instanceId: row.instance_id,
      tokenUsed: row.token_used === 1,
      info: infoOf(row),
      desired: row.desired,
      resumePending: false,
      status: { state: 'idle', reasons: [] } as Worker['status'],
      lastSeenAt: row.last_seen_at,
    };
    const known = this.#workers.get(row.id);
    if (known) return Object.assign(known, facts);
    const worker: Worker = { id: row.id, name: row.name, ...facts, seen: new Stopwatch(this.#clock), heard: false };
    this.#workers.set(row.id, worker);
    return worker;
  }

  get(id: string): Worker | undefined {
    return this.#workers.get(id);
  }

  all(): Worker[] {
    return [...this.#workers.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  delete(id: string): void {
    this.#workers.delete(id);
  }

  /** Notes that the worker called. */
  touch(worker: Worker): void {
    worker.heard = true;
    worker.seen.restart();
    worker.lastSeenAt = this.#clock.wall();
  }

  isOffline(worker: Worker): boolean {
    return !worker.heard || worker.seen.elapsed() >= this.#offlineMs;
  }
}

import { type Clock, Stopwatch } from '../clock.js';
import { type JobRow, specOf } from '../store/jobs.js';
import { type Needs, needsOf } from './needs.js';

/** A queued job, with what matching needs of it. */
export interface QueueEntry {
  readonly seq: number;
  readonly jobId: string;
  readonly needs: Needs;
}

interface Hold {
  readonly watch: Stopwatch;
  readonly ms: number;
  readonly reason: string;
}

/** Queued jobs, the oldest first, kept in memory so that a match reads nothing from disk. */
export class JobQueue {
  readonly #clock: Clock;
  readonly #entries: QueueEntry[] = [];
  /** By job, then worker: a worker that handed a job back is asked again only after a while. */
  readonly #holds = new Map<string, Map<string, Hold>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts a job at the place of its age. */
  add(row: JobRow): QueueEntry {
    const entry = { seq: row.seq, jobId: row.id, needs: needsOf(specOf(row)) };
    this.#entries.splice(this.#indexOf(row.seq), 0, entry);
    return entry;
  }

  remove(row: Pick<JobRow, 'seq' | 'id'>): void {
    const index = this.#indexOf(row.seq);
    if (this.#entries[index]?.seq === row.seq) this.#entries.splice(index, 1);
  }

  forget(jobId: string): void {
    this.#holds.delete(jobId);
  }

  entries(): readonly QueueEntry[] {
    return this.#entries;
  }

  hold(jobId: string, workerId: string, ms: number, reason: string): void {
    const holds = this.#holds.get(jobId) ?? new Map<string, Hold>();
    this.#holds.set(jobId, holds.set(workerId, { watch: new Stopwatch(this.#clock), ms, reason }));
  }

  /** Why the worker is not asked now, or nothing. */
  heldBack(jobId: string, workerId: string): string | undefined {
    const hold = this.#holds.get(jobId)?.get(workerId);
    return hold && hold.watch.elapsed() < hold.ms ? hold.reason : undefined;
  }

  /** Workers whose wait is over since the last call. */
  releasedHolds(): ReadonlySet<string> {
    const workers = new Set<string>();
    for (const [jobId, holds] of this.#holds) {
      for (const [workerId, hold] of holds) {
        if (hold.watch.elapsed() < hold.ms) continue;
        holds.delete(workerId);
        workers.add(workerId);
      }
      if (holds.size === 0) this.#holds.delete(jobId);
    }
    return workers;
  }

  /** Index of the first entry that is not older. */
  #indexOf(seq: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.seq ?? Number.POSITIVE_INFINITY) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

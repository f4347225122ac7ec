import { endStates } from '@ritmo/protocol';
import type { LeaseTable } from '../jobs/leases.js';
import type { JobWatch } from '../jobs/watch.js';
import type { JobStore } from '../store/jobs.js';
import { type FollowStart, followLog } from './follow.js';
import type { LogStore } from './log-store.js';

export interface LogReaderParts {
  readonly logs: LogStore;
  readonly jobs: JobStore;
  readonly leases: LeaseTable;
  readonly watch: JobWatch;
}

/** Follows logs of jobs for people. */
export class LogReader {
  readonly #parts: LogReaderParts;

  constructor(parts: LogReaderParts) {
    this.#parts = parts;
  }

  /** One attempt, to its end. */
  followAttempt(
    jobId: string,
    epoch: number,
    start: FollowStart,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    return followLog(this.#parts.logs, jobId, epoch, start, { over: () => this.#over(jobId, epoch), signal });
  }

  /** The latest attempt from `start`, then each later one from its start, until the job ended. */
  async *followJob(jobId: string, start: FollowStart, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const { jobs, watch } = this.#parts;
    let next = Math.max(1, jobs.find(jobId)?.epoch ?? 1);
    let from = start;
    while (!signal.aborted) {
      const row = jobs.find(jobId);
      if (!row) return;
      if (next > row.epoch) {
        if (endStates.has(row.state)) return;
        await watch.changed(jobId, signal);
        continue;
      }
      yield* this.#attempt(jobId, next, from, signal);
      next++;
      from = { offset: 0, edition: 1 };
    }
  }

  async *#attempt(
    jobId: string,
    epoch: number,
    start: FollowStart,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const nothing = this.#over(jobId, epoch) && (await this.#parts.logs.length(jobId, epoch)) === 0;
    if (!nothing) yield* this.followAttempt(jobId, epoch, start, signal);
  }

  /** True once nothing more of the attempt can come. A held lease answers without the database. */
  #over(jobId: string, epoch: number): boolean {
    if (this.#parts.leases.get(jobId, epoch)) return false;
    const row = this.#parts.jobs.find(jobId);
    return !row || row.epoch !== epoch || row.state === 'queued' || endStates.has(row.state);
  }
}

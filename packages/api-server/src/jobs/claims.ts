import type { ClaimRequest, Offer } from '@ritmo/protocol';
import { secretNamesOf } from '@ritmo/protocol';
import { ApiError } from '../errors.js';
import type { Settings } from '../options.js';
import type { AttemptStore } from '../store/attempts.js';
import type { Database } from '../store/database.js';
import { type JobRow, type JobStore, specOf } from '../store/jobs.js';
import type { SecretStore } from '../store/secrets.js';
import type { TokenStore } from '../store/tokens.js';
import type { Worker } from '../workers/directory.js';
import type { LeaseTable } from './leases.js';
import { misfits } from './needs.js';
import type { JobQueue, QueueEntry } from './queue.js';

export interface ClaimParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly tokens: TokenStore;
  readonly secrets: SecretStore;
  readonly queue: JobQueue;
  readonly leases: LeaseTable;
  /** Told of each hand-out. */
  readonly offered: (jobId: string) => void;
}

/** Jobs and secrets of one answer, but for a single job that is larger. As JSON it may be six times as long; workers take 64 MiB. */
const mostAnswerBytes = 8 * 1024 * 1024;

interface Waiter {
  readonly worker: Worker;
  readonly request: ClaimRequest;
  settle(offers: Offer[] | ApiError): void;
}

/** Hands queued jobs to workers that wait for them; who waits longest is served first. */
export class Claims {
  readonly #parts: ClaimParts;
  readonly #waiters = new Set<Waiter>();
  #closed = false;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Resolves with offers, or with none when the time or `signal` is over. */
  claim(worker: Worker, request: ClaimRequest, signal: AbortSignal): Promise<Offer[]> {
    // A retry whose first call still waits here: that one can no longer be answered.
    for (const waiter of this.#waiters)
      if (waiter.worker === worker && waiter.request.requestId === request.requestId) waiter.settle([]);
    const held = this.#offersHeld(worker, request);
    if (held.length > 0) return Promise.resolve(held);
    const offers = this.#offerFromQueue(worker, request);
    if (offers.length > 0 || request.waitMs === 0 || signal.aborted || this.#closed) return Promise.resolve(offers);
    return this.#wait(worker, request, signal);
  }

  /** A job came to the queue: the first waiter that it fits gets it. */
  jobQueued(entry: QueueEntry): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(entry, waiter.worker)) continue;
      waiter.settle(this.#offerAll(waiter.worker, waiter.request.requestId, [entry]));
      return;
    }
  }

  /** A worker changed: looks through the queue for it once more. */
  workerChanged(workerId: string): void {
    for (const waiter of this.#waiters) {
      if (waiter.worker.id !== workerId) continue;
      const offers = this.#offerFromQueue(waiter.worker, waiter.request);
      if (offers.length > 0) waiter.settle(offers);
    }
  }

  /** Ends the waits of a worker that is gone or superseded. */
  reject(workerId: string, error: ApiError): void {
    for (const waiter of this.#waiters) if (waiter.worker.id === workerId) waiter.settle(error);
  }

  /** Ends all waits with nothing; nobody waits any more. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters) waiter.settle([]);
  }

  /** The offer of a job that this worker holds, with a new job token. */
  offerOf(row: JobRow, worker: Worker): Offer {
    const { tokens, secrets, settings } = this.#parts;
    const job = specOf(row);
    return {
      job,
      secrets: secrets.get(row.id, secretNamesOf(job)),
      lease: { jobId: row.id, epoch: row.epoch, ttlMs: settings.leaseTtlMs },
      jobToken: tokens.issueJob(row.id, row.epoch, worker.id, worker.instanceId),
      cacheScope: row.project,
      acceptWithinMs: settings.acceptWithinMs,
    };
  }

  #wait(worker: Worker, request: ClaimRequest, signal: AbortSignal): Promise<Offer[]> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        worker,
        request,
        settle: (outcome) => {
          if (!this.#waiters.delete(waiter)) return;
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          if (outcome instanceof ApiError) reject(outcome);
          else resolve(outcome);
        },
      };
      const onAbort = () => waiter.settle([]);
      const timer = setTimeout(onAbort, request.waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #fits(entry: QueueEntry, worker: Worker): boolean {
    if (worker.desired !== 'run' || this.#parts.queue.heldBack(entry.jobId, worker.id) !== undefined) return false;
    return misfits(entry.needs, worker.info).length === 0;
  }

  #offerFromQueue(worker: Worker, request: ClaimRequest): Offer[] {
    const chosen: QueueEntry[] = [];
    for (const entry of this.#parts.queue.entries()) {
      if (chosen.length >= request.max) break;
      if (this.#fits(entry, worker)) chosen.push(entry);
    }
    return chosen.length > 0 ? this.#offerAll(worker, request.requestId, chosen) : [];
  }

  /** What an earlier answer to this request gave and the worker still holds. */
  #offersHeld(worker: Worker, request: ClaimRequest): Offer[] {
    const { db, attempts, jobs, leases } = this.#parts;
    return db.transaction(() =>
      attempts.ofRequest(worker.id, request.requestId).flatMap((attempt) => {
        const row = jobs.require(attempt.job_id);
        const lease = leases.get(row.id, attempt.epoch);
        if (!lease || row.worker_id !== worker.id) return [];
        if (lease.kind === 'offer' && attempt.reoffered === 0) {
          attempts.update(row.id, attempt.epoch, { reoffered: 1 });
          lease.watch.restart();
        }
        return [this.offerOf(row, worker)];
      }),
    );
  }

  #offerAll(worker: Worker, requestId: string, entries: readonly QueueEntry[]): Offer[] {
    const { db, jobs, attempts, queue, leases, settings } = this.#parts;
    const offers = db.transaction(() =>
      this.#whatFits(entries).map((entry) => {
        const epoch = jobs.require(entry.jobId).epoch + 1;
        const row = jobs.update(entry.jobId, { state: 'offered', epoch, worker_id: worker.id, worker: worker.name });
        attempts.insert({
          job_id: row.id,
          epoch,
          worker_id: worker.id,
          worker: worker.name,
          request_id: requestId,
          offered_at: settings.clock.wall(),
        });
        return this.offerOf(row, worker);
      }),
    );
    for (const [index, entry] of entries.entries()) {
      const offer = offers[index];
      if (!offer) break;
      queue.remove({ seq: entry.seq, id: entry.jobId });
      leases.add(entry.jobId, offer.lease.epoch, worker.id, 'offer');
      this.#parts.offered(entry.jobId);
    }
    return offers;
  }

  /** The first of them, as many as one answer may hold; what is left stays in the queue. */
  #whatFits(entries: readonly QueueEntry[]): readonly QueueEntry[] {
    const { jobs, secrets } = this.#parts;
    let bytes = 0;
    const end = entries.findIndex(({ jobId }, index) => {
      bytes += Buffer.byteLength(jobs.require(jobId).spec) + secrets.size(jobId);
      return index > 0 && bytes > mostAnswerBytes;
    });
    return end < 0 ? entries : entries.slice(0, end);
  }
}

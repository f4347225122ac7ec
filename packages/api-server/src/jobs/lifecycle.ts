import { randomUUID } from 'node:crypto';
import type { CancelOrder, Failure, Job, JobResult, JobState } from '@ritmo/protocol';
import { endStates, secretNamesOf } from '@ritmo/protocol';
import { type Code, codes } from '@ritmo/protocol/codes';
import { ApiError, fenced, notFound } from '../errors.js';
import type { Settings } from '../options.js';
import type { AttemptStore } from '../store/attempts.js';
import type { Database } from '../store/database.js';
import { type JobRow, type JobStore, specOf } from '../store/jobs.js';
import type { SecretStore } from '../store/secrets.js';
import type { Expiry, LeaseTable } from './leases.js';
import type { JobQueue, QueueEntry } from './queue.js';

/** Who is told when a job changes. Called after the change is on disk. */
export interface LifecycleListener {
  queued(entry: QueueEntry): void;
  submitted(row: JobRow): void;
  /** An attempt is over: its job ended or went back to the queue. */
  attemptOver(jobId: string, epoch: number): void;
  ended(row: JobRow): void;
  requeued(row: JobRow, why: string): void;
  cancelling(row: JobRow, order: CancelOrder): void;
}

export interface LifecycleParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly secrets: SecretStore;
  readonly queue: JobQueue;
  readonly leases: LeaseTable;
  readonly listener: LifecycleListener;
}

export interface Submission {
  readonly job: Job;
  readonly secrets: Readonly<Record<string, string>>;
  readonly project: string;
  readonly key: string | undefined;
}

/** The states of a job and the ways between them. Every change is on disk when a method returns. */
export class JobLifecycle {
  readonly #parts: LifecycleParts;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** Reads queue and leases from the database; each lease gets its whole time again. */
  load(): void {
    const { jobs, queue, leases } = this.#parts;
    for (const row of jobs.inStates('queued')) queue.add(row);
    for (const row of jobs.inStates('offered', 'running'))
      leases.add(row.id, row.epoch, row.worker_id ?? '', row.state === 'offered' ? 'offer' : 'run');
  }

  submit(submission: Submission): { readonly row: JobRow; readonly created: boolean } {
    const { db, jobs, secrets, queue, settings } = this.#parts;
    const named = secretNamesOf(submission.job);
    const foreign = Object.keys(submission.secrets).filter((name) => !named.has(name));
    if (foreign.length > 0)
      throw new ApiError('RITMO_INVALID_REQUEST', `The job does not name the secret ${foreign.join(', ')}.`, {
        hint: 'List it under `secrets:` of the job, or do not hand it in.',
      });
    const hash =
      submission.key === undefined
        ? null
        : secrets.fingerprint(
            JSON.stringify([
              submission.job,
              submission.secrets,
              ...(submission.project === 'default' ? [] : [submission.project]),
            ]),
          );
    const earlier = submission.key === undefined ? undefined : jobs.findByKey(submission.key);
    if (earlier) {
      if (earlier.idempotency_hash === hash) return { row: earlier, created: false };
      throw new ApiError('RITMO_CONFLICT', 'This Idempotency-Key submitted another job before.', {
        hint: 'Take a new key for a new job.',
      });
    }
    const row = db.transaction(() => {
      const inserted = jobs.insert({
        id: randomUUID(),
        spec: submission.job,
        project: submission.project,
        createdAt: settings.clock.wall(),
        idempotencyKey: submission.key ?? null,
        idempotencyHash: hash,
      });
      secrets.put(inserted.id, submission.secrets);
      return inserted;
    });
    this.#parts.listener.submitted(row);
    this.#parts.listener.queued(queue.add(row));
    return { row: jobs.require(row.id), created: true };
  }

  /** The job of a call that carries an epoch; throws RITMO_FENCED unless that attempt is the current one. */
  current(jobId: string, epoch: number): JobRow {
    const row = this.#parts.jobs.find(jobId);
    if (!row) throw notFound(`job ${jobId}`);
    if (row.state === 'queued' || row.epoch !== epoch) throw fenced(jobId, epoch);
    return row;
  }

  accept(jobId: string, epoch: number): void {
    const { db, jobs, attempts, leases, settings } = this.#parts;
    const row = this.current(jobId, epoch);
    if (row.state === 'running') return;
    if (row.state !== 'offered') throw fenced(jobId, epoch);
    db.transaction(() => {
      jobs.update(jobId, { state: 'running', started_at: settings.clock.wall() });
      attempts.update(jobId, epoch, { state: 'running' });
    });
    const lease = leases.get(jobId, epoch);
    if (!lease) return;
    lease.kind = 'run';
    lease.phase = 'preparing';
    lease.watch.restart();
  }

  /** Back to the queue; the attempt does not count. */
  release(
    jobId: string,
    epoch: number,
    why: { code: string; message: string; retryAfterMs?: number | undefined },
  ): void {
    const row = this.#parts.jobs.find(jobId);
    if (!row) throw notFound(`job ${jobId}`);
    if (this.#parts.attempts.find(jobId, epoch)?.state === 'released') return;
    this.current(jobId, epoch);
    if (row.state !== 'offered' && row.state !== 'running') throw fenced(jobId, epoch);
    if (why.retryAfterMs && row.worker_id)
      this.#parts.queue.hold(jobId, row.worker_id, why.retryAfterMs, `handed it back: ${why.code}: ${why.message}`);
    this.#giveBack(row, why.code);
  }

  /** Cancels; the first reason stands. */
  cancel(jobId: string, order: { reason: 'user' | 'superseded'; graceMs?: number | undefined }): JobRow {
    const { jobs } = this.#parts;
    const row = jobs.find(jobId);
    if (!row) throw notFound(`job ${jobId}`);
    if (row.cancel_reason !== null || row.state === 'cancelled') return row;
    if (this.#mayRunOn(row)) return this.#cancelLost(row, order);
    if (endStates.has(row.state))
      throw new ApiError('RITMO_CONFLICT', `The job has ended: ${row.state}.`, { hint: 'There is nothing to cancel.' });
    const graceMs = order.graceMs ?? specOf(row).grace;
    const change = { cancel_reason: order.reason, cancel_grace_ms: graceMs };
    if (row.state === 'queued') {
      this.#end(
        row,
        { ...change, state: 'cancelled', failure: failureText('RITMO_CANCELLED', cancelSentence(order.reason)) },
        'cancelled',
      );
      return jobs.require(jobId);
    }
    const changed = jobs.update(jobId, change);
    this.#parts.listener.cancelling(changed, { reason: order.reason, graceMs });
    return changed;
  }

  /** The report of the agent; the first stands, also over a lost lease of the same epoch. */
  finish(jobId: string, epoch: number, result: JobResult): void {
    const { attempts } = this.#parts;
    if (attempts.find(jobId, epoch)?.finish) return;
    const row = this.current(jobId, epoch);
    if (endStates.has(row.state) && !this.#mayRunOn(row)) {
      // The server ended it first (a log that cannot be right): that stands.
      if (row.lost_at !== null) throw fenced(jobId, epoch);
      attempts.update(jobId, epoch, { finish: JSON.stringify(result) });
      return;
    }
    const again =
      result.outcome === 'errored' &&
      result.failure?.retryable === true &&
      row.cancel_reason === null &&
      row.lost_at === null;
    if (again && row.counted + 1 < specOf(row).attempts) {
      this.#countAndRequeue(row, 'errored', result.failure?.code ?? 'RITMO_INTERNAL', JSON.stringify(result));
      return;
    }
    this.#end(
      row,
      {
        state: result.outcome,
        exit_code: result.exitCode ?? null,
        signal: result.signal ?? null,
        failure: result.failure ? JSON.stringify(result.failure) : null,
        steps: JSON.stringify(result.steps),
        lost_at: null,
      },
      result.outcome,
      JSON.stringify(result),
    );
  }

  /** The lease is over without a word of the agent. */
  lose(jobId: string, epoch: number, why: Expiry | 'deregistered' | 'dropped'): void {
    const row = this.#parts.jobs.find(jobId);
    if (!row || row.epoch !== epoch) return;
    if (row.state === 'offered') this.#giveBack(row, why);
    if (row.state !== 'running') return;
    const spec = specOf(row);
    if (row.cancel_reason === null && spec.onLost === 'requeue' && row.counted + 1 < spec.attempts) {
      this.#countAndRequeue(row, 'lost', why, null);
      return;
    }
    const cancelled = row.cancel_reason !== null;
    const failure = cancelled
      ? failureText('RITMO_CANCELLED', `${cancelSentence(row.cancel_reason)} Its worker was lost before it said so.`)
      : failureText('RITMO_LEASE_LOST', lostSentences[why]);
    this.#end(
      row,
      { state: cancelled ? 'cancelled' : 'lost', failure, lost_at: this.#parts.settings.clock.wall() },
      cancelled ? 'cancelled' : 'lost',
    );
  }

  /** The log of the attempt cannot be made right: the job is errored. */
  breakLog(jobId: string, epoch: number): void {
    const row = this.current(jobId, epoch);
    if (endStates.has(row.state)) return;
    const sentence = 'The log that arrived is not the log that the agent sealed, twice.';
    this.#end(row, { state: 'errored', failure: failureText('RITMO_LOG_MISMATCH', sentence) }, 'errored');
  }

  /** Nobody renews its lease, and its worker may still run it and report its end. */
  #mayRunOn({ lost_at }: JobRow): boolean {
    const { clock, lateFinishMs } = this.#parts.settings;
    return lost_at !== null && clock.wall() - lost_at < lateFinishMs;
  }

  /** It counts as cancelled from now on; its worker hears of it when it is back. */
  #cancelLost(
    row: JobRow,
    { reason, graceMs = specOf(row).grace }: { reason: 'user' | 'superseded'; graceMs?: number | undefined },
  ): JobRow {
    const { db, jobs, attempts, listener } = this.#parts;
    const failure = failureText('RITMO_CANCELLED', `${cancelSentence(reason)} Its worker had been lost before.`);
    const changed = db.transaction(() => {
      attempts.update(row.id, row.epoch, { state: 'cancelled' });
      return jobs.update(row.id, { state: 'cancelled', failure, cancel_reason: reason, cancel_grace_ms: graceMs });
    });
    listener.cancelling(changed, { reason, graceMs });
    return changed;
  }

  #giveBack(row: JobRow, why: string): void {
    if (row.cancel_reason !== null) {
      this.#end(
        row,
        { state: 'cancelled', failure: failureText('RITMO_CANCELLED', cancelSentence(row.cancel_reason)) },
        'cancelled',
      );
      return;
    }
    this.#requeue(row, 'released', why, row.counted, null);
  }

  #countAndRequeue(row: JobRow, state: JobState, why: string, finish: string | null): void {
    this.#requeue(row, state, why, row.counted + 1, finish);
  }

  #requeue(row: JobRow, attemptState: string, why: string, counted: number, finish: string | null): void {
    const { db, jobs, attempts, queue, leases, listener, settings } = this.#parts;
    const queued = db.transaction(() => {
      attempts.update(row.id, row.epoch, { state: attemptState, ended_at: settings.clock.wall(), finish });
      return jobs.update(row.id, { state: 'queued', worker_id: null, worker: null, started_at: null, counted });
    });
    leases.delete(row.id);
    const entry = queue.add(queued);
    listener.requeued(queued, why);
    listener.attemptOver(row.id, row.epoch);
    listener.queued(entry);
  }

  #end(
    row: JobRow,
    change: Parameters<JobStore['update']>[1],
    attemptState: JobState,
    finish: string | null = null,
  ): void {
    const { db, jobs, attempts, secrets, queue, leases, listener, settings } = this.#parts;
    const now = settings.clock.wall();
    const ended = db.transaction(() => {
      if (row.epoch > 0 && row.state !== 'queued')
        attempts.update(row.id, row.epoch, { state: attemptState, ended_at: now, finish });
      secrets.erase(row.id);
      return jobs.update(row.id, { ...change, ended_at: now });
    });
    leases.delete(row.id);
    queue.remove(row);
    queue.forget(row.id);
    listener.ended(ended);
    listener.attemptOver(row.id, row.epoch);
  }
}

const lostSentences: Record<Expiry | 'deregistered' | 'dropped', string> = {
  'not-accepted': 'The worker did not accept the job in time.',
  'not-adopted': 'The worker was started anew and did not take up the job.',
  'not-renewed': 'The worker did not renew its lease in time.',
  deregistered: 'The worker deregistered before the job ended.',
  dropped: 'The worker was started anew and gave up the job.',
};

/** Why a lease is over without a word of the agent, as the server calls it. */
export const lossReasons: ReadonlySet<string> = new Set(Object.keys(lostSentences));

function cancelSentence(reason: string | null): string {
  return reason === 'superseded' ? 'A newer job took the place of this one.' : 'Cancelled on request.';
}

function failureText(code: Code, message: string): string {
  return JSON.stringify({ code, message, retryable: codes[code].retryable, hint: codes[code].hint } satisfies Failure);
}

import { randomUUID, timingSafeEqual } from 'node:crypto';
import {
  type Registration,
  type WorkerInfo,
  type WorkerPatch,
  type WorkerStatus,
  type HeartbeatAnswer,
  protocolVersion,
} from '@ritmo/protocol';
import { ApiError, notFound } from '../errors.js';
import type { Claims } from '../jobs/claims.js';
import type { LeaseTable } from '../jobs/leases.js';
import type { JobLifecycle } from '../jobs/lifecycle.js';
import type { Settings } from '../options.js';
import type { AttemptStore } from '../store/attempts.js';
import type { Database } from '../store/database.js';
import type { JobStore } from '../store/jobs.js';
import { type TokenStore, hashOf, newToken } from '../store/tokens.js';
import type { Desired, StoredInfo, WorkerRow, WorkerStore } from '../store/workers.js';
import type { Worker, WorkerDirectory } from './directory.js';
import type { WorkerEvents } from './events.js';
import { verdictOf } from './verdict.js';

export interface RegistryParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly workers: WorkerStore;
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly tokens: TokenStore;
  readonly directory: WorkerDirectory;
  readonly events: WorkerEvents;
  readonly leases: LeaseTable;
  readonly lifecycle: JobLifecycle;
  readonly claims: Claims;
}

const lastSeenEveryMs = 60_000;

/** Workers and their instances: register, report, change, leave. */
export class WorkerRegistry {
  readonly #parts: RegistryParts;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
  }

  load(): void {
    for (const row of this.#parts.workers.all()) this.#parts.directory.load(row);
  }

  /** The worker of a call with a worker or job token; throws RITMO_SUPERSEDED for an instance that is not the present one. */
  present(workerId: string, instanceId: string): Worker {
    const worker = this.require(workerId);
    if (worker.instanceId !== instanceId) throw superseded(worker.name);
    if (!worker.tokenUsed) {
      worker.tokenUsed = true;
      this.#parts.workers.setTokenUsed(workerId);
    }
    this.#parts.directory.touch(worker);
    return worker;
  }

  require(workerId: string): Worker {
    const worker = this.#parts.directory.get(workerId);
    if (!worker) throw notFound(`worker ${workerId}`);
    return worker;
  }

  register(request: WorkerInfo): Registration {
    const { protocol } = request;
    if (protocol.min > protocolVersion || protocol.max < protocolVersion)
      throw new ApiError(
        'RITMO_PROTOCOL_VERSION',
        `The server speaks version ${protocolVersion}, the agent ${protocol.min} to ${protocol.max}.`,
      );
    const { db, workers, directory, tokens, settings } = this.#parts;
    const { instanceId, resumeKey: _given, ...info } = request;
    const row = workers.findByName(info.name);
    const registered = db.transaction(() => {
      const { id, key } = row ? this.#takeUp(row, request, info) : this.#create(request, info);
      return { workerId: id, resumeKey: key, workerToken: tokens.issueWorker(id, instanceId) };
    });
    const worker = directory.load(workers.find(registered.workerId) as WorkerRow);
    directory.touch(worker);
    if (row && row.instance_id !== instanceId) this.#supersede(worker);
    settings.log.info('worker registered', { worker: worker.name, workerId: worker.id, again: row !== undefined });
    return {
      ...registered,
      protocol: protocolVersion,
      heartbeatMs: settings.heartbeatMs,
      leaseTtlMs: settings.leaseTtlMs,
      claimWaitMs: settings.claimWaitMs,
      leases: this.#parts.jobs.heldBy(worker.id).map((job) => ({ jobId: job.id, epoch: job.epoch })),
    };
  }

  update(worker: Worker, patch: WorkerPatch): void {
    const changes = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
    worker.info = { ...worker.info, ...changes };
    this.#parts.workers.setInfo(worker.id, worker.info);
    this.#parts.claims.workerChanged(worker.id);
  }

  heartbeat(worker: Worker, status: WorkerStatus): HeartbeatAnswer {
    const { leases, workers, jobs, attempts, settings } = this.#parts;
    if (status.instanceId !== worker.instanceId) throw superseded(worker.name);
    worker.status = { state: status.state, reasons: status.reasons };
    const command = this.#command(worker);
    const now = settings.clock.wall();
    if (now - (workers.find(worker.id)?.last_seen_at ?? 0) >= lastSeenEveryMs) workers.setLastSeen(worker.id, now);
    for (const { jobId, epoch, phase } of status.running) {
      const lease = leases.get(jobId, epoch);
      if (lease?.workerId !== worker.id) continue;
      lease.phase = phase;
      // An offer is kept by accepting it, not by naming it.
      if (lease.kind === 'run') lease.watch.restart();
    }
    const verdicts = status.running.map(({ jobId, epoch }) =>
      verdictOf(jobs.find(jobId), attempts.find(jobId, epoch), { jobId, epoch, workerId: worker.id }),
    );
    return { jobs: verdicts, ...(command && { command }) };
  }

  /** What an operator wants of a worker: told by event at once, and by heartbeat until the worker shows it. */
  command(workerId: string, desired: Desired): Worker {
    const { workers, events, claims, db } = this.#parts;
    const worker = this.require(workerId);
    db.transaction(() => workers.setDesired(workerId, desired));
    worker.resumePending = desired === 'run' && worker.desired !== 'run';
    worker.desired = desired;
    events.publish(workerId, { type: desired === 'run' ? 'resume' : desired });
    if (desired === 'run') claims.workerChanged(workerId);
    return worker;
  }

  /** The worker leaves: what it holds returns at once, and its name is free. */
  deregister(workerId: string): void {
    const { db, workers, tokens, directory, events, leases, lifecycle, claims, settings } = this.#parts;
    const worker = this.require(workerId);
    claims.reject(workerId, superseded(worker.name));
    events.end(workerId);
    directory.delete(workerId);
    db.transaction(() => {
      tokens.dropWorker(workerId);
      workers.delete(workerId);
    });
    for (const lease of leases.ofWorker(workerId)) lifecycle.lose(lease.jobId, lease.epoch, 'deregistered');
    settings.log.info('worker deregistered', { worker: worker.name, workerId });
  }

  #create(request: WorkerInfo, info: StoredInfo): { id: string; key: string } {
    const id = randomUUID();
    const key = newToken('resume');
    const { instanceId } = request;
    this.#parts.workers.insert({
      id,
      name: info.name,
      resumeKeyHash: hashOf(key),
      instanceId,
      info,
      now: this.#parts.settings.clock.wall(),
    });
    return { id, key };
  }

  #takeUp(row: WorkerRow, request: WorkerInfo, info: StoredInfo): { id: string; key: string } {
    const { workers, settings } = this.#parts;
    const given = request.resumeKey;
    // Without the key: only the instance whose first answer was lost, which shows in a token that was never used.
    const lostAnswer = given === undefined && row.instance_id === request.instanceId && row.token_used === 0;
    if (!lostAnswer && (given === undefined || !equal(hashOf(given), row.resume_key_hash)))
      throw new ApiError('RITMO_NAME_TAKEN', `The worker name ${info.name} is registered with another resume key.`);
    const key = given ?? newToken('resume');
    if (lostAnswer) workers.setResumeKey(row.id, hashOf(key));
    workers.setInfo(row.id, info);
    if (row.instance_id === request.instanceId) return { id: row.id, key };
    workers.setInstance(row.id, request.instanceId, settings.clock.wall());
    workers.dropEvents(row.id);
    if (row.desired === 'drain') workers.setDesired(row.id, 'run');
    return { id: row.id, key };
  }

  /** A new instance took over: the old one's waits and streams end, and its leases wait to be named. */
  #supersede(worker: Worker): void {
    const { claims, events, leases, jobs } = this.#parts;
    claims.reject(worker.id, superseded(worker.name));
    events.end(worker.id);
    leases.awaitAdoption(worker.id);
    if (worker.desired === 'pause') events.publish(worker.id, { type: 'pause' });
    for (const row of jobs.heldBy(worker.id)) {
      if (row.cancel_reason === null) continue;
      const reason = row.cancel_reason as 'user' | 'superseded';
      events.publish(worker.id, {
        type: 'cancel',
        jobId: row.id,
        epoch: row.epoch,
        reason,
        graceMs: row.cancel_grace_ms ?? 0,
      });
    }
  }

  #command(worker: Worker): HeartbeatAnswer['command'] {
    const { state } = worker.status;
    if (worker.desired === 'drain') return state === 'draining' ? undefined : 'drain';
    if (worker.desired === 'pause') return state === 'paused' || state === 'draining' ? undefined : 'pause';
    if (state !== 'paused') worker.resumePending = false;
    return worker.resumePending ? 'resume' : undefined;
  }
}

function superseded(name: string): ApiError {
  return new ApiError('RITMO_SUPERSEDED', `A newer instance holds the worker name ${name}.`);
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

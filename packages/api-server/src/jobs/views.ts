import type {
  ArtifactEntry,
  Failure,
  JobDetail,
  JobState,
  JobSummary,
  StepResult,
  WorkerSummary,
} from '@ritmo/protocol';
import { jobStates } from '@ritmo/protocol';
import type { ArtifactRow } from '../store/artifacts.js';
import type { AttemptRow } from '../store/attempts.js';
import { type JobRow, specOf } from '../store/jobs.js';
import type { Worker, WorkerDirectory } from '../workers/directory.js';
import type { LeaseTable } from './leases.js';
import { misfits, needsOf } from './needs.js';
import type { JobQueue } from './queue.js';

const time = (ms: number) => new Date(ms).toISOString();

/** A job as lists show it. */
export function summaryOf(row: JobRow): JobSummary {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    cancelling: row.cancel_reason !== null && (row.state === 'offered' || row.state === 'running'),
    epoch: row.epoch,
    labels: JSON.parse(row.labels) as Record<string, string>,
    ...(row.worker_id !== null && { workerId: row.worker_id }),
    ...(row.worker !== null && { worker: row.worker }),
    createdAt: time(row.created_at),
    ...(row.started_at !== null && { startedAt: time(row.started_at) }),
    ...(row.ended_at !== null && { endedAt: time(row.ended_at) }),
    ...(row.exit_code !== null && { exitCode: row.exit_code }),
    ...(row.signal !== null && { signal: row.signal }),
    ...(row.failure !== null && { failure: JSON.parse(row.failure) as Failure }),
  };
}

export interface DetailParts {
  readonly attempts: readonly AttemptRow[];
  /** Bytes of the log of an attempt. */
  readonly logLengths: ReadonlyMap<number, number>;
  readonly artifacts: number;
  readonly placement: JobDetail['placement'];
}

/** A job with everything that is known of it, but never a secret. */
export function detailOf(row: JobRow, parts: DetailParts): JobDetail {
  const shown = parts.attempts.filter((attempt) => attempt.state !== 'released');
  return {
    ...summaryOf(row),
    job: specOf(row),
    attempts: shown.map((attempt) => ({
      epoch: attempt.epoch,
      worker: attempt.worker,
      state: isJobState(attempt.state) ? attempt.state : 'errored',
      log: { length: parts.logLengths.get(attempt.epoch) ?? 0, sealed: attempt.log_sealed === 1 },
    })),
    steps: JSON.parse(row.steps) as StepResult[],
    artifacts: parts.artifacts,
    ...(parts.placement && { placement: parts.placement }),
  };
}

function isJobState(text: string): text is JobState {
  return (jobStates as readonly string[]).includes(text);
}

/** Which workers could take a queued job now, and why the others cannot. */
export function placementOf(
  row: JobRow,
  directory: WorkerDirectory,
  queue: JobQueue,
  leases: LeaseTable,
): NonNullable<JobDetail['placement']> {
  const needs = needsOf(specOf(row));
  return directory.all().map((worker) => {
    const reasons = misfits(needs, worker.info);
    if (directory.isOffline(worker)) reasons.push('is offline');
    const { state } = worker.status;
    if (worker.desired === 'pause' || state === 'paused') reasons.push('is paused');
    if (worker.desired === 'drain' || state === 'draining') reasons.push('is draining');
    if (state === 'unhealthy') reasons.push(['is unhealthy', ...worker.status.reasons].join(': '));
    const busy = leases.ofWorker(worker.id).filter((lease) => lease.phase !== 'finishing').length;
    if (busy >= worker.info.maxConcurrent) reasons.push(`is full: ${busy} of ${worker.info.maxConcurrent} slots`);
    const held = queue.heldBack(row.id, worker.id);
    if (held !== undefined) reasons.push(held);
    return { workerId: worker.id, worker: worker.name, fits: reasons.length === 0, reasons };
  });
}

/** A worker as people see it. */
export function workerSummaryOf(worker: Worker, directory: WorkerDirectory, leases: LeaseTable): WorkerSummary {
  return {
    id: worker.id,
    name: worker.name,
    state: workerState(worker, directory),
    reasons: worker.status.reasons,
    labels: worker.info.labels,
    maxConcurrent: worker.info.maxConcurrent,
    isolation: worker.info.isolation,
    agentVersion: worker.info.agentVersion,
    running: leases.ofWorker(worker.id).map(({ jobId, epoch, phase }) => ({ jobId, epoch, phase })),
    lastSeenAt: time(worker.lastSeenAt),
  };
}

function workerState(worker: Worker, directory: WorkerDirectory): WorkerSummary['state'] {
  if (directory.isOffline(worker)) return 'offline';
  if (worker.desired === 'drain') return 'draining';
  if (worker.desired === 'pause' && worker.status.state !== 'draining') return 'paused';
  return worker.status.state;
}

export function artifactEntryOf(row: ArtifactRow): ArtifactEntry {
  return {
    artifactId: row.artifact_id,
    epoch: row.epoch,
    name: row.name,
    path: row.path,
    size: row.size,
    ...(row.sha256 !== null && { sha256: row.sha256 }),
    mode: row.mode,
    contentType: row.content_type,
    ...(row.link_target !== null && { linkTarget: row.link_target }),
  };
}

import { type HeartbeatAnswer, type LeaseName, endStates } from '@ritmo/protocol';
import type { AttemptRow } from '../store/attempts.js';
import type { JobRow } from '../store/jobs.js';

type Verdict = HeartbeatAnswer['jobs'][number];

/** What the server says of a build that a worker runs. */
export function verdictOf(
  row: JobRow | undefined,
  attempt: AttemptRow | undefined,
  lease: LeaseName & { readonly workerId: string },
): Verdict {
  const { jobId, epoch } = lease;
  if (!row) return { jobId, epoch, verdict: 'unknown' };
  // A finish that is kept: the answer to it is still on its way.
  if (attempt?.finish && attempt.worker_id === lease.workerId) return { jobId, epoch, verdict: 'keep' };
  if (row.state === 'queued' || row.epoch !== epoch || row.worker_id !== lease.workerId)
    return { jobId, epoch, verdict: 'fenced' };
  // A lost build of an unchanged epoch may still finish; one that the server ended may not.
  if (endStates.has(row.state) && row.lost_at === null) return { jobId, epoch, verdict: 'fenced' };
  const cancel = cancelOf(row);
  return cancel ? { jobId, epoch, verdict: 'cancel', cancel } : { jobId, epoch, verdict: 'keep' };
}

/** The cancel that rides on answers about this job. */
export function cancelOf(row: JobRow): Verdict['cancel'] {
  if (row.cancel_reason === null) return undefined;
  return { reason: row.cancel_reason as 'user' | 'superseded', graceMs: row.cancel_grace_ms ?? 0 };
}

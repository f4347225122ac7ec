import type { Adoption, AdoptionRequest } from '@ritmo/protocol';
import type { Claims } from '../jobs/claims.js';
import type { LeaseTable } from '../jobs/leases.js';
import type { JobLifecycle } from '../jobs/lifecycle.js';
import type { Settings } from '../options.js';
import type { Database } from '../store/database.js';
import type { JobStore } from '../store/jobs.js';
import type { TokenStore } from '../store/tokens.js';
import type { Worker } from './directory.js';

export interface AdoptionParts {
  readonly settings: Settings;
  readonly db: Database;
  readonly jobs: JobStore;
  readonly tokens: TokenStore;
  readonly leases: LeaseTable;
  readonly lifecycle: JobLifecycle;
  readonly claims: Claims;
}

type Wish = AdoptionRequest[number];

/** Answers each lease that a worker names after its restart; what it may not have is RITMO_FENCED. */
export function adopt(parts: AdoptionParts, worker: Worker, wishes: AdoptionRequest): Adoption[] {
  return wishes.map((wish) => adoptOne(parts, worker, wish));
}

function adoptOne(parts: AdoptionParts, worker: Worker, wish: Wish): Adoption {
  const { jobId, epoch, intent } = wish;
  const name = { jobId, epoch };
  const row = parts.jobs.find(jobId);
  if (!row || row.epoch !== epoch || row.worker_id !== worker.id) return { ...name, code: 'RITMO_FENCED' };
  const lease = parts.leases.get(jobId, epoch);
  if (!lease) {
    const late = row.lost_at !== null && parts.settings.clock.wall() - row.lost_at < parts.settings.lateFinishMs;
    if (!late || intent !== 'finish') return { ...name, code: 'RITMO_FENCED' };
  }
  if (intent === 'drop') {
    parts.lifecycle.lose(jobId, epoch, 'dropped');
    return name;
  }
  if (lease) {
    lease.adoption = undefined;
    lease.watch.restart();
    if (intent === 'finish') lease.phase = 'finishing';
  }
  if (intent === 'run') return { ...name, offer: parts.db.transaction(() => parts.claims.offerOf(row, worker)) };
  return { ...name, jobToken: parts.tokens.issueJob(jobId, epoch, worker.id, worker.instanceId) };
}

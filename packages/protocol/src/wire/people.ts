import { z } from 'zod';
import { job } from '../job.js';
import { epoch, jobId, secretName, sha256, shortName } from '../names.js';
import { failure } from './common.js';
import { outcomes, stepResult } from './finish.js';
import { isolationOffer, workerStates } from './worker.js';

/** States of a job at the server. `cancelling` is a flag on `offered` and `running`. */
export const jobStates = ['queued', 'offered', 'running', 'lost', ...outcomes] as const;
export const jobState = z.enum(jobStates);
export type JobState = z.output<typeof jobState>;
/** States that a job does not leave; `lost` only for a late finish of the same epoch, within 24 h. */
export const endStates: ReadonlySet<JobState> = new Set(['lost', ...outcomes]);

export const submitRequest = z.object({
  job,
  /** Write-only: encrypted at rest, given only for names that the job lists, erased at its end. */
  secrets: z.record(secretName, z.string().max(1_048_576)).default({}),
  /** Jobs of one project share caches, and files that one has stored are not sent by another. */
  project: shortName.default('default'),
});
export type SubmitRequest = z.input<typeof submitRequest>;

export const jobSummary = z.object({
  id: jobId,
  name: z.string(),
  state: jobState,
  cancelling: z.boolean(),
  /** 0 before the first hand-out. */
  epoch: z.int().min(0),
  labels: z.record(z.string(), z.string()),
  workerId: z.string().optional(),
  worker: z.string().optional(),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  endedAt: z.iso.datetime().optional(),
  exitCode: z.int().optional(),
  signal: z.string().optional(),
  failure: failure.optional(),
});
export type JobSummary = z.output<typeof jobSummary>;

/** For a queued job: which workers could take it, and why the others cannot. */
export const placement = z.object({
  workerId: z.string(),
  worker: z.string(),
  fits: z.boolean(),
  reasons: z.array(z.string()),
});

export const jobDetail = jobSummary.extend({
  job,
  attempts: z.array(
    z.object({
      epoch,
      worker: z.string().optional(),
      state: jobState,
      log: z.object({ length: z.int(), sealed: z.boolean() }),
    }),
  ),
  steps: z.array(stepResult),
  artifacts: z.int().min(0),
  placement: z.array(placement).optional(),
});
export type JobDetail = z.output<typeof jobDetail>;
export const jobPage = z.object({ jobs: z.array(jobSummary), cursor: z.string().optional() });

export const cancelRequest = z.object({
  reason: z.enum(['user', 'superseded']).default('user'),
  graceMs: z.int().min(0).max(300_000).optional(),
});

export const artifactEntry = z.object({
  artifactId: z.string(),
  epoch,
  name: z.string(),
  path: z.string(),
  size: z.int().min(0),
  sha256: sha256.optional(),
  mode: z.int(),
  contentType: z.string(),
  linkTarget: z.string().optional(),
});
export type ArtifactEntry = z.output<typeof artifactEntry>;
export const artifactPage = z.object({ artifacts: z.array(artifactEntry), cursor: z.string().optional() });

export const workerSummary = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum([...workerStates, 'offline']),
  reasons: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  maxConcurrent: z.int(),
  isolation: z.array(isolationOffer),
  agentVersion: z.string(),
  running: z.array(z.object({ jobId, epoch, phase: z.string() })),
  lastSeenAt: z.iso.datetime(),
});
export type WorkerSummary = z.output<typeof workerSummary>;
export const workerList = z.object({ workers: z.array(workerSummary) });

import { z } from 'zod';
import { job } from '../job.js';
import { displayText, epoch, jobId, labels, secretName, shortName, shownText } from '../names.js';
import { cancelOrder, cancelReason, openEnum, openList } from './common.js';

const networks = ['host', 'isolated', 'none'] as const;

/** What an executor declares. Unknown members of a newer worker are dropped. */
export const capabilities = z.object({
  /** A kind that is not known counts as none. */
  isolation: openEnum(['none', 'namespace', 'container', 'vm'], 'none'),
  defaultNetwork: openEnum(networks, 'none'),
  images: z.boolean(),
  services: z.boolean(),
  network: openList(networks),
  limits: openList(['cpu', 'memory', 'pids', 'disk']),
  os: openList(['linux', 'windows', 'darwin']),
  arch: openList(['x64', 'arm64']),
  separateStderr: z.boolean(),
  recover: z.boolean(),
});

export const isolationOffer = z.object({ name: shortName, default: z.boolean(), capabilities });

export const workerInfo = z.object({
  name: displayText(128),
  /** Made anew at each start of an agent process. */
  instanceId: z.string().min(8).max(64),
  /** Given at the first registration of the name. */
  resumeKey: z.string().max(255).optional(),
  labels: labels.default({}),
  maxConcurrent: z.int().min(1).max(10_000),
  isolation: z.array(isolationOffer).min(1),
  host: z.object({
    os: shownText(64),
    arch: shownText(64),
    cpus: z.number(),
    memoryBytes: z.number(),
    diskBytes: z.number().optional(),
  }),
  agentVersion: shownText(64),
  protocol: z.object({ min: z.int(), max: z.int() }),
  jobVersions: z.array(z.int()),
});
export type WorkerInfo = z.output<typeof workerInfo>;

export const leaseName = z.object({ jobId, epoch });
export type LeaseName = z.output<typeof leaseName>;

export const registration = z.object({
  workerId: z.string(),
  workerToken: z.string(),
  resumeKey: z.string(),
  protocol: z.int(),
  heartbeatMs: z.int().positive(),
  leaseTtlMs: z.int().positive(),
  claimWaitMs: z.int().positive(),
  /** Leases that this name still holds; a new instance names each of them in `adoptions` within 15 s. */
  leases: z.array(leaseName),
});
export type Registration = z.output<typeof registration>;

export const workerPatch = z.object({
  labels: labels.optional(),
  maxConcurrent: z.int().min(1).max(10_000).optional(),
  isolation: z.array(isolationOffer).min(1).optional(),
});
export type WorkerPatch = z.output<typeof workerPatch>;

export const offer = z.object({
  job,
  /** Values of the secrets that the job names. */
  secrets: z.record(secretName, z.string()),
  lease: z.object({ jobId, epoch, ttlMs: z.int().positive() }),
  jobToken: z.string(),
  /** Whose caches the job shares; without it the job has none. The server sets it, never the job. */
  cacheScope: z.string().min(1).max(255).optional(),
  acceptWithinMs: z.int().positive(),
});
export type Offer = z.output<typeof offer>;

/** Longest time that a claim may be held. */
export const longestClaimWaitMs = 60_000;

export const claimRequest = z.object({
  /** The same id gives the same offers, as long as this worker holds them. */
  requestId: z.string().min(8).max(64),
  max: z.int().min(1).max(1000),
  waitMs: z.int().min(0).max(longestClaimWaitMs),
});
export type ClaimRequest = z.output<typeof claimRequest>;
export const claimAnswer = z.object({ offers: z.array(offer) });

/** What the agent wants of a lease after its restart. */
export const adoptionIntent = z.enum(['run', 'finish', 'drop']);
export const adoptionRequest = z.array(leaseName.extend({ intent: adoptionIntent }));
export type AdoptionRequest = z.output<typeof adoptionRequest>;
export const adoption = leaseName.extend({
  /** Present for `run`. */
  offer: offer.optional(),
  /** Present for `finish`. */
  jobToken: z.string().optional(),
  /** Present where the lease is no longer this worker's: RITMO_FENCED. */
  code: z.string().optional(),
});
export type Adoption = z.output<typeof adoption>;
export const adoptionAnswer = z.object({ adoptions: z.array(adoption) });

export const workerStates = ['idle', 'busy', 'paused', 'draining', 'unhealthy'] as const;
export const buildPhases = ['accepting', 'preparing', 'running', 'collecting', 'finishing'] as const;
export const workerStatus = z.object({
  instanceId: z.string(),
  state: openEnum(workerStates, 'busy'),
  reasons: z
    .array(shownText(1024))
    .overwrite((reasons) => reasons.slice(0, 100))
    .default([]),
  running: z.array(leaseName.extend({ phase: openEnum(buildPhases, 'running'), logBytes: z.int().min(0) })),
  host: z.object({ cpu: z.number(), memory: z.number(), disk: z.number(), load: z.number() }).partial().default({}),
});
export type WorkerStatus = z.output<typeof workerStatus>;

export const heartbeatAnswer = z.object({
  jobs: z.array(
    leaseName.extend({
      verdict: openEnum(['keep', 'cancel', 'fenced', 'unknown'], 'unknown'),
      cancel: cancelOrder.optional(),
    }),
  ),
  command: z.enum(['pause', 'resume', 'drain']).optional().catch(undefined),
});
export type HeartbeatAnswer = z.output<typeof heartbeatAnswer>;

/** One server-sent event of a worker's stream; delivered at least once. A type it does not know is ignored by a worker. */
export const workerEvent = z.discriminatedUnion('type', [
  z.object({
    seq: z.int().min(0),
    type: z.literal('cancel'),
    jobId,
    epoch,
    reason: cancelReason,
    graceMs: z.int().min(0),
  }),
  z.object({ seq: z.int().min(0), type: z.enum(['pause', 'resume', 'drain']) }),
]);
export type WorkerEvent = z.output<typeof workerEvent>;

export const acceptRequest = z.object({ epoch });
export const releaseRequest = z.object({
  epoch,
  code: shownText(64),
  message: shownText(1024),
  retryAfterMs: z.int().min(0).optional(),
});

import { longestClaimWaitMs } from '@ritmo/protocol';
import { z } from 'zod';
import type { ArtifactBucket } from './artifacts/bucket.js';
import { type Clock, systemClock } from './clock.js';
import { ApiError } from './errors.js';

/** Where the server writes what it does. */
export interface ServerLog {
  /** What happens as it should. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** What an operator may want to look at. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** What is a defect, of the server or of its machine. */
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const ms = (fallback: number) => z.int().min(1).default(fallback);

const schema = z.strictObject({
  dataDir: z.string().min(1),
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  hostNames: z.array(z.string().min(1)).default([]),
  leaseTtlMs: ms(60_000),
  leaseSlackMs: z.int().min(0).default(10_000),
  heartbeatMs: ms(10_000),
  // A claim may not ask for more.
  claimWaitMs: z.int().min(1).max(longestClaimWaitMs).default(25_000),
  acceptWithinMs: ms(15_000),
  adoptWithinMs: ms(15_000),
  lateFinishMs: ms(24 * 60 * 60_000),
  keepaliveMs: ms(15_000),
  headMs: ms(30_000),
  sweepMs: ms(1000),
  maxArtifactBytes: z
    .int()
    .min(1)
    .default(64 * 1024 ** 3),
  maxArtifactFiles: z.int().min(1).default(100_000),
});

/** Options of {@link startApiServer}. Times are milliseconds. */
export interface ApiServerOptions {
  /** Folder of database, logs, artifacts and token files; made with mode 0700. */
  readonly dataDir: string;
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string;
  /** 8080 by default; 0 takes a free one. */
  readonly port?: number;
  /** Names other than those of this machine's loopback under which the server may be called (`Host` header). */
  readonly hostNames?: readonly string[];
  /** Silent by default. */
  readonly log?: ServerLog;
  /** That of the machine by default. */
  readonly clock?: Clock;
  /** How long a lease lasts without a renewal; 60 s. */
  readonly leaseTtlMs?: number;
  /** A lease is lost this long after its end; 10 s. */
  readonly leaseSlackMs?: number;
  /** How often workers are asked to report; 10 s. */
  readonly heartbeatMs?: number;
  /** How long workers are asked to wait in a claim; 25 s, and 60 s at most. */
  readonly claimWaitMs?: number;
  /** An offer that is not accepted returns to the queue after this; 15 s. */
  readonly acceptWithinMs?: number;
  /** How long a new instance has to name the leases of the old one; 15 s. */
  readonly adoptWithinMs?: number;
  /** How long a lost build may still report its end; 24 h. */
  readonly lateFinishMs?: number;
  /** Comments on silent event streams; 15 s. */
  readonly keepaliveMs?: number;
  /** How long a caller may take for the head of a call; 30 s. Then the connection is closed. */
  readonly headMs?: number;
  /** How often leases are looked at; 1 s. */
  readonly sweepMs?: number;
  /** Largest artifact file; 64 GiB. */
  readonly maxArtifactBytes?: number;
  /** Most artifact files of one job, over all its attempts; 100,000. */
  readonly maxArtifactFiles?: number;
  /** Workers send artifacts there by presigned URLs, instead of through this server. */
  readonly artifactBucket?: ArtifactBucket;
}

export type Settings = z.output<typeof schema> & {
  readonly log: ServerLog;
  readonly clock: Clock;
  readonly artifactBucket: ArtifactBucket | undefined;
};

const silent: ServerLog = { info: () => {}, warn: () => {}, error: () => {} };

/** Options with their defaults; throws RITMO_USAGE that names everything wrong. */
export function settingsOf(options: ApiServerOptions): Settings {
  const { log = silent, clock = systemClock, artifactBucket, ...plain } = options;
  const parsed = schema.safeParse(plain);
  if (!parsed.success) throw new ApiError('RITMO_USAGE', `Options of the API server: ${z.prettifyError(parsed.error)}`);
  return { ...parsed.data, log, clock, artifactBucket };
}

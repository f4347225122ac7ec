import type { Hash } from 'node:crypto';
import type { ArtifactFile, ArtifactPlan } from '@ritmo/protocol';
import type { Clock } from '../executor/host.js';
import type { ArtifactTransport, Lease } from '../transport/transport.js';
import { MeasuredBody } from './measured-body.js';
import type { SentParts } from './sent-parts.js';
import type { Slots } from './slots.js';
import type { ArtifactSource } from './store.js';

/** What every file of one build is sent with. */
export interface Upload {
  readonly transport: ArtifactTransport;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly random: () => number;
  /** Bounds the parts that are in memory, over all files. */
  readonly slots: Slots;
  readonly sentParts: SentParts;
  readonly progress: (bytes: number) => void;
}

/** A file and where the server wants it. */
export interface PlannedFile {
  readonly source: ArtifactSource;
  readonly file: ArtifactFile;
  readonly plan: ArtifactPlan | undefined;
}

/** What the store is told of a file that has arrived. */
export interface Sent {
  readonly sha256: string;
  readonly etags: readonly string[];
}

/** Sends a range of the file as it is read, and hashes it on its way. Answers the ETag. */
export async function put(
  upload: Upload,
  source: ArtifactSource,
  target: NonNullable<ArtifactPlan['upload']>,
  { start, end, hash }: { readonly start: number; readonly end: number; readonly hash: Hash },
  signal: AbortSignal,
): Promise<string | undefined> {
  const body = new MeasuredBody(source.path, source.read(start, end), end - start, hash, upload.progress);
  try {
    return (await upload.transport.upload(upload.lease, target, body, end - start, signal)).etag;
  } catch (error) {
    throw body.problem ?? error;
  }
}

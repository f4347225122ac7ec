import { createHash, type Hash } from 'node:crypto';
import type { ArtifactFile, ArtifactPlan } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { Clock } from '../executor/host.js';
import { waitMs } from '../transport/retry.js';
import type { ArtifactTransport, Lease } from '../transport/transport.js';
import { MeasuredBody } from './measured-body.js';
import type { ArtifactRef, ArtifactSource } from './store.js';

/** With growing pauses: about two minutes for a store that does not answer. */
const maxTries = 12;

export interface Upload {
  readonly transport: ArtifactTransport;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly random: () => number;
  readonly progress: (bytes: number) => void;
}

/** A file and where the server wants it. */
export interface PlannedFile {
  readonly source: ArtifactSource;
  readonly file: ArtifactFile;
  readonly plan: ArtifactPlan | undefined;
}

interface Sent {
  readonly sha256: string;
  readonly etags: readonly string[];
}

/** Stores one file. A PUT that fails is repeated on a renewed plan, since its address may have expired. */
export async function uploadFile(upload: Upload, planned: PlannedFile, signal: AbortSignal): Promise<ArtifactRef> {
  const { transport, lease, clock, random } = upload;
  const { source, file } = planned;
  let { plan } = planned;
  const done = new PartsDone();
  for (let tries = 1; ; tries++) {
    try {
      const { sha256, etags } = await send(upload, source, plan, done, signal);
      if (plan?.stored !== true) {
        await transport.complete(lease, file.artifactId, { sha256, ...(etags.length === 0 ? {} : { etags }) }, signal);
      }
      return { name: source.name, path: source.path, uri: uriOf(lease, file), size: source.size, sha256 };
    } catch (error) {
      signal.throwIfAborted();
      const known = RitmoError.from(error, 'RITMO_ARTIFACT_UPLOAD');
      if (!known.retryable || tries === maxTries) throw failed(source, known);
      await clock.sleep(waitMs(tries, known.retryAfterMs, 0, random), signal);
      plan = (await transport.plan(lease, [file], signal)).find(({ artifactId }) => artifactId === file.artifactId);
    }
  }
}

async function send(
  upload: Upload,
  source: ArtifactSource,
  plan: ArtifactPlan | undefined,
  done: PartsDone,
  signal: AbortSignal,
): Promise<Sent> {
  const hash = createHash('sha256');
  if (plan?.stored === true) {
    if (source.size > 0) for await (const bytes of source.read()) hash.update(bytes);
    return { sha256: hash.digest('hex'), etags: [] };
  }
  if (plan?.upload !== undefined) {
    const etag = await put(upload, source, plan.upload, { start: 0, end: source.size, hash }, signal);
    return { sha256: hash.digest('hex'), etags: etag === undefined ? [] : [etag] };
  }
  if (plan?.parts !== undefined) return sendParts(upload, source, plan.parts, done, signal);
  throw new RitmoError(
    'RITMO_ARTIFACT_UPLOAD',
    'The API server names no way to store the file that this agent knows.',
    {
      retryable: false,
      hint: 'Upgrade the agent.',
    },
  );
}

async function sendParts(
  upload: Upload,
  source: ArtifactSource,
  { partSize, targets }: NonNullable<ArtifactPlan['parts']>,
  done: PartsDone,
  signal: AbortSignal,
): Promise<Sent> {
  if (targets.length !== Math.max(1, Math.ceil(source.size / partSize))) {
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', 'The parts of the plan do not add up to the size of the file.', {
      retryable: false,
    });
  }
  done.startWith(partSize);
  for (const [index, target] of targets.entries()) {
    if (index < done.etags.length) continue;
    // A part that is sent again counts once in the hash of the whole.
    const hash = done.hash.copy();
    const range = { start: index * partSize, end: Math.min(source.size, (index + 1) * partSize), hash };
    done.add((await put(upload, source, target, range, signal)) ?? '', hash);
  }
  return { sha256: done.hash.copy().digest('hex'), etags: done.etags.filter((etag) => etag !== '') };
}

/** Parts that arrived, kept over tries: what failed is one part, and only that one is sent again. */
class PartsDone {
  etags: string[] = [];
  hash: Hash = createHash('sha256');
  #partSize = 0;

  /** Parts of another size are other parts. */
  startWith(partSize: number): void {
    if (this.#partSize === partSize) return;
    this.#partSize = partSize;
    this.etags = [];
    this.hash = createHash('sha256');
  }

  add(etag: string, hash: Hash): void {
    this.etags.push(etag);
    this.hash = hash;
  }
}

async function put(
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

function uriOf(lease: Lease, file: ArtifactFile): string {
  return `/v1/jobs/${lease.jobId}/artifacts/${file.artifactId}`;
}

function failed(source: ArtifactSource, error: RitmoError): RitmoError {
  if (error.code === 'RITMO_FENCED') return error;
  return new RitmoError('RITMO_ARTIFACT_UPLOAD', `${source.path} could not be stored: ${error.message}`, {
    cause: error,
    retryable: error.retryable,
    hint: error.hint,
  });
}

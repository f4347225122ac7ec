import { createHash } from 'node:crypto';
import type { ArtifactFile, ArtifactPlan } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import { waitMs } from '../transport/retry.js';
import type { Lease } from '../transport/transport.js';
import { type PlannedFile, put, type Sent, type Upload } from './put-range.js';
import { PartsDone, sendParts } from './send-parts.js';
import type { ArtifactRef, ArtifactSource } from './store.js';

/** With growing pauses: about two minutes for a store that does not answer. */
const maxTries = 12;

/** Stores one file. A PUT that fails is repeated on a renewed plan, since its address may have expired. */
export async function uploadFile(upload: Upload, planned: PlannedFile, signal: AbortSignal): Promise<ArtifactRef> {
  const { transport, lease, clock, random } = upload;
  const { source, file } = planned;
  let { plan } = planned;
  let done = new PartsDone();
  for (let tries = 1; ; tries++) {
    try {
      const { sha256, etags } = await send(upload, planned, plan, done, signal);
      if (plan?.stored !== true) {
        // What the store did not keep as it was sent is sent again as a whole.
        done = new PartsDone();
        upload.sentParts.forget(file.artifactId);
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
  planned: PlannedFile,
  plan: ArtifactPlan | undefined,
  done: PartsDone,
  signal: AbortSignal,
): Promise<Sent> {
  const { source } = planned;
  const hash = createHash('sha256');
  if (plan?.stored === true) {
    if (source.size > 0) for await (const bytes of source.read()) hash.update(bytes);
    return { sha256: hash.digest('hex'), etags: [] };
  }
  if (plan?.upload !== undefined) {
    const etag = await put(upload, source, plan.upload, { start: 0, end: source.size, hash }, signal);
    return { sha256: hash.digest('hex'), etags: etag === undefined ? [] : [etag] };
  }
  if (plan?.parts !== undefined) return sendParts(upload, planned, plan.parts, done, signal);
  throw new RitmoError(
    'RITMO_ARTIFACT_UPLOAD',
    'The API server names no way to store the file that this agent knows.',
    {
      retryable: false,
      hint: 'Upgrade the agent.',
    },
  );
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

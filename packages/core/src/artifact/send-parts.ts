import { createHash, type Hash } from 'node:crypto';
import type { ArtifactPlan } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import { MeasuredBody } from './measured-body.js';
import { type PlannedFile, put, type Sent, type Upload } from './put-range.js';
import type { ArtifactSource } from './store.js';

/** Parts up to here are held in memory, several at once; larger ones pass through one after the other. */
const heldPartBytes = 16 * 1024 ** 2;

type Plan = NonNullable<ArtifactPlan['parts']>;

/** Parts that arrived, kept over tries: what failed is one part, and only that one is sent again. */
export class PartsDone {
  readonly etags = new Map<number, string>();
  /** Of the parts before `hashed`. */
  hash: Hash = createHash('sha256');
  hashed = 0;
  #partSize = 0;
  #uploadId = '';

  /** Parts of another size, or of another upload, are other parts. */
  startWith(partSize: number, uploadId: string, before: ReadonlyMap<number, string>): void {
    if (this.#partSize === partSize && this.#uploadId === uploadId) return;
    this.#partSize = partSize;
    this.#uploadId = uploadId;
    this.etags.clear();
    for (const [index, etag] of before) this.etags.set(index, etag);
    this.hash = createHash('sha256');
    this.hashed = 0;
  }

  /** A hash to read part `index` with; `keep` makes it that of the file so far. */
  hashFor(index: number): { readonly hash: Hash; readonly keep: () => void } {
    const hash = index === this.hashed ? this.hash.copy() : createHash('sha256');
    const keep = () => {
      if (index !== this.hashed) return;
      this.hash = hash;
      this.hashed += 1;
    };
    return { hash, keep };
  }
}

/**
 * Sends what is not in `done` yet. The file is read in order, while parts that were read are on their way. A part that
 * fails ends it once those have arrived that were on their way.
 */
export async function sendParts(
  upload: Upload,
  { source, file: { artifactId } }: Pick<PlannedFile, 'source' | 'file'>,
  { partSize, targets, uploadId }: Plan,
  done: PartsDone,
  signal: AbortSignal,
): Promise<Sent> {
  if (targets.length !== Math.max(1, Math.ceil(source.size / partSize))) {
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', 'The parts of the plan do not add up to the size of the file.', {
      retryable: false,
    });
  }
  const { sentParts } = upload;
  done.startWith(partSize, uploadId ?? '', sentParts.find(artifactId, uploadId ?? '', partSize));
  const keepEtag = (index: number, etag: string) => {
    done.etags.set(index, etag);
    if (uploadId !== undefined) sentParts.add(artifactId, uploadId, partSize, index, etag);
  };
  const sending = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  for (const [index, target] of targets.entries()) {
    if (done.etags.has(index) && index < done.hashed) continue;
    const range = { start: index * partSize, end: Math.min(source.size, (index + 1) * partSize) };
    try {
      const { arrived } = await beginPart(upload, source, { index, target, ...range, keepEtag }, done, signal);
      const tracked: Promise<void> = arrived
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => sending.delete(tracked));
      sending.add(tracked);
    } catch (error) {
      failure ??= { error };
    }
    if (failure) break;
  }
  await Promise.all(sending);
  if (failure) throw failure.error;
  const etags = targets.map((_, index) => done.etags.get(index) ?? '');
  return { sha256: done.hash.copy().digest('hex'), etags: etags.filter((etag) => etag !== '') };
}

interface PartOfFile {
  readonly index: number;
  readonly target: Plan['targets'][number];
  readonly start: number;
  readonly end: number;
  readonly keepEtag: (index: number, etag: string) => void;
}

/** Settles once the part was read; `arrived` once the store has it. */
async function beginPart(
  upload: Upload,
  source: ArtifactSource,
  { index, target, start, end, keepEtag }: PartOfFile,
  done: PartsDone,
  signal: AbortSignal,
): Promise<{ readonly arrived: Promise<void> }> {
  const { hash, keep } = done.hashFor(index);
  const size = end - start;
  if (size > heldPartBytes && !done.etags.has(index)) {
    keepEtag(index, (await put(upload, source, target, { start, end, hash }, signal)) ?? '');
    keep();
    return { arrived: Promise.resolve() };
  }
  const slot = await upload.slots.take(size);
  try {
    signal.throwIfAborted();
    const bytes = await wholePart(source, start, end, hash);
    keep();
    if (done.etags.has(index)) {
      slot[Symbol.dispose]();
      upload.progress(size);
      return { arrived: Promise.resolve() };
    }
    const sent = upload.transport.upload(upload.lease, target, once(bytes), size, signal);
    const arrived = sent
      .then(({ etag }) => {
        keepEtag(index, etag ?? '');
        upload.progress(size);
      })
      .finally(() => slot[Symbol.dispose]());
    return { arrived };
  } catch (error) {
    slot[Symbol.dispose]();
    throw error;
  }
}

async function wholePart(source: ArtifactSource, start: number, end: number, hash: Hash): Promise<Uint8Array> {
  const whole = Buffer.allocUnsafeSlow(end - start);
  let length = 0;
  const body = new MeasuredBody(source.path, source.read(start, end, whole), end - start, hash, () => undefined);
  for await (const bytes of body) {
    const inPlace = bytes.buffer === whole.buffer && bytes.byteOffset === whole.byteOffset + length;
    if (!inPlace) whole.set(bytes, length);
    length += bytes.length;
  }
  return whole;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

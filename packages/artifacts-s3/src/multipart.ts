import { createHash, type Hash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { ArtifactSource } from '@ritmo/agent-core';
import type { Bucket, ObjectFacts } from './client.js';
import { type HashedBody, hashedBytes } from './hashed-body.js';
import { heldPartBytes, partSizeOf } from './part-size.js';
import { readBytes, streamed } from './read-bytes.js';
import type { Slots } from '@ritmo/agent-core';
import type { Unfinished, UnfinishedUpload } from './unfinished.js';

/** What a part holds of the memory while it passes through. */
const streamBytes = 1024 ** 2;

export interface MultipartParts {
  readonly bucket: Bucket;
  readonly slots: Slots;
  readonly unfinished: Unfinished;
  /** Names the upload in the journal. */
  readonly id: string;
  readonly key: string;
  readonly source: ArtifactSource;
  readonly facts: ObjectFacts;
  readonly partSize: number;
  /** Larger parts are not held in memory: each is read once for its hash, and once more as it is sent. */
  readonly heldBytes?: number;
  readonly progress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Sends a file in parts; parts that are in the journal and have the same bytes still are not sent again. The file is
 * read once, in order, while parts are on their way. Answers its sha256.
 */
export async function sendInParts(parts: MultipartParts): Promise<string> {
  const { bucket, slots, unfinished, id, key, source, signal } = parts;
  const sent = await sentBefore(parts);
  if (sent !== undefined) return sent;
  const upload = await openUpload(parts);
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  // Every part on its way listens.
  setMaxListeners(0, both);
  const hash = createHash('sha256');
  const sending = new Set<Promise<void>>();
  // Buffers whose part has arrived: new ones would wait for the garbage collector by the dozen.
  const spare: Uint8Array[] = [];
  const held = upload.partSize <= (parts.heldBytes ?? heldPartBytes);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    stop.abort(error);
  };
  const count = Math.ceil(source.size / upload.partSize);
  for (let number = 1; number <= count && !both.aborted; number++) {
    const start = (number - 1) * upload.partSize;
    const end = Math.min(source.size, start + upload.partSize);
    const slot = await slots.take(held ? end - start : streamBytes);
    try {
      both.throwIfAborted();
      const bytes = held ? await readBytes(source, start, end, both, spare.pop()) : undefined;
      if (bytes) hash.update(bytes);
      const body = bytes ? hashedBytes(bytes, sha256Of(bytes)) : await throughFile(source, start, end, hash, both);
      const sent = sendPart(parts, upload, number, body, both)
        .then(() => void (bytes && spare.push(bytes)), fail)
        .finally(() => {
          sending.delete(sent);
          slot[Symbol.dispose]();
        });
      sending.add(sent);
    } catch (error) {
      slot[Symbol.dispose]();
      fail(error);
    }
  }
  await Promise.all(sending);
  if (failure) {
    await unfinished.flush();
    throw failure.error;
  }
  signal.throwIfAborted();
  const list = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    etag: upload.parts[index + 1]?.etag ?? '',
  }));
  await bucket.complete(key, upload.uploadId, list, signal);
  const sha256 = hash.digest('hex');
  await unfinished.completed(id, sha256);
  return sha256;
}

/** The sha256 of a file that an agent before this one sent whole, where it is the same still, here and in the bucket. */
async function sentBefore({ bucket, unfinished, id, key, source, progress, signal }: MultipartParts) {
  const whole = unfinished.findWhole(id);
  if (whole?.key !== key || whole.size !== source.size) return undefined;
  if ((await bucket.head(key, signal))?.size !== source.size) return undefined;
  const hash = createHash('sha256');
  for await (const bytes of source.read()) {
    signal.throwIfAborted();
    hash.update(bytes);
  }
  if (hash.digest('hex') !== whole.sha256) return undefined;
  progress(source.size);
  return whole.sha256;
}

/** The upload of the journal where it is of this file, else a new one. */
async function openUpload(parts: MultipartParts): Promise<UnfinishedUpload> {
  const { bucket, unfinished, id, key, source, facts, signal } = parts;
  const partSize = partSizeOf(source.path, source.size, parts.partSize);
  const kept = unfinished.find(id);
  if (kept && kept.key === key && kept.size === source.size && kept.partSize === partSize) return kept;
  if (kept) await bucket.abort(kept.key, kept.uploadId, signal);
  const uploadId = await bucket.begin(key, facts, signal);
  const upload = { key, uploadId, size: source.size, partSize, parts: {} };
  await unfinished.begin(id, upload);
  return upload;
}

async function sendPart(
  { bucket, unfinished, id, key, progress }: MultipartParts,
  upload: UnfinishedUpload,
  number: number,
  body: HashedBody,
  signal: AbortSignal,
): Promise<void> {
  const { sha256, size } = body;
  if (upload.parts[number]?.sha256 !== sha256) {
    const etag = await bucket.part(key, upload.uploadId, number, body, signal);
    upload.parts[number] = { etag, sha256 };
    unfinished.partSent(id, number, { etag, sha256 });
  }
  progress(size);
}

/** Reads a part for its hash, and that of the file so far. */
async function throughFile(source: ArtifactSource, start: number, end: number, file: Hash, signal: AbortSignal) {
  const part = createHash('sha256');
  for await (const bytes of streamed(source, start, end)) {
    signal.throwIfAborted();
    part.update(bytes);
    file.update(bytes);
  }
  return { size: end - start, read: () => streamed(source, start, end), sha256: part.digest('hex') };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

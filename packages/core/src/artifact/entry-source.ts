import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RitmoError } from '../errors.js';
import type { FileBody, FileEntry, LinkEntry } from '../executor/sandbox.js';
import type { ArtifactSource } from './store.js';

interface SourceNames {
  readonly name: string;
  readonly path: string;
  readonly expireInMs?: number;
}

/** A collected entry as something that can be read again and again; copied to the staging folder only where it must. */
export async function sourceOf(
  entry: FileEntry,
  names: SourceNames,
  stagingDir: string,
  signal: AbortSignal,
): Promise<ArtifactSource> {
  if (entry.kind === 'link') return linkSource(entry, names);
  const { range } = entry;
  if (range === undefined) return stagedSource(entry, names, stagingDir, signal);
  return {
    ...names,
    size: entry.size,
    mode: entry.mode,
    read: (start = 0, end = entry.size, into?: Uint8Array) => range(start, end, into),
    release: async () => undefined,
  };
}

function linkSource(entry: LinkEntry, names: SourceNames): ArtifactSource {
  return {
    ...names,
    size: 0,
    mode: entry.mode,
    linkTarget: entry.target,
    async *read() {},
    release: async () => undefined,
  };
}

async function stagedSource(
  entry: FileBody,
  names: SourceNames,
  stagingDir: string,
  signal: AbortSignal,
): Promise<ArtifactSource> {
  const copy = join(stagingDir, `artifact-${randomUUID()}`);
  const remove = () => rm(copy, { force: true });
  try {
    await stage(entry, copy, signal);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    ...names,
    size: entry.size,
    mode: entry.mode,
    read: (start = 0, end = entry.size) => readCopy(copy, start, end),
    release: remove,
  };
}

async function stage(entry: FileBody, copy: string, signal: AbortSignal): Promise<void> {
  await using file = await open(copy, 'wx', 0o600);
  let length = 0;
  for await (const bytes of entry.body) {
    signal.throwIfAborted();
    length += bytes.length;
    if (length > entry.size) break;
    await file.writeFile(bytes);
  }
  if (length !== entry.size) {
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', `${entry.path} changed while it was read.`, { retryable: false });
  }
}

async function* readCopy(copy: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  if (end <= start) return;
  for await (const bytes of createReadStream(copy, { start, end: end - 1, highWaterMark: 256 * 1024 })) {
    yield bytes as Uint8Array;
  }
}

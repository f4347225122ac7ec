import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CollectedEntry, CollectRequest, Sandbox } from '../../src/executor/sandbox.js';
import type { ArtifactSource, JsonStore } from '../../src/artifact/index.js';

export const noResume: JsonStore = { get: async () => undefined, set: async () => undefined };

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function tempDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'ritmo-artifact-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface TestSource extends ArtifactSource {
  readonly reads: number;
  readonly released: number;
}

/** A file in memory that counts how often it is read and released. */
export function source(path: string, content: string | Uint8Array, more: Partial<ArtifactSource> = {}): TestSource {
  const bytes = Buffer.from(content);
  const counts = { reads: 0, released: 0 };
  const base: ArtifactSource = {
    name: 'out',
    path,
    size: bytes.length,
    mode: 0o644,
    async *read(start = 0, end = bytes.length) {
      counts.reads++;
      for (let at = start; at < end; at += 65_536) yield bytes.subarray(at, Math.min(end, at + 65_536));
    },
    release: async () => {
      counts.released++;
    },
    ...more,
  };
  return Object.defineProperties(base, {
    reads: { get: () => counts.reads },
    released: { get: () => counts.released },
  }) as TestSource;
}

export async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** An ended sandbox that holds these entries, by the artifact paths that ask for them. */
export function sandboxWith(
  entries: Readonly<Record<string, readonly CollectedEntry[]>>,
): Sandbox & { readonly asked: CollectRequest[] } {
  const asked: CollectRequest[] = [];
  const unused = async () => {
    throw new Error('not part of collecting');
  };
  return {
    asked,
    id: 'sandbox-1',
    workdir: '/workspace',
    privateDir: '/private',
    description: 'entries in memory',
    put: unused,
    remove: unused,
    run: unused,
    usage: unused,
    async *collect(request) {
      asked.push(request);
      for (const pattern of request.include) yield* entries[pattern] ?? [];
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** A file as an executor gives it: once only, or as often as needed. */
export function file(path: string, content: string, again = true): CollectedEntry {
  const bytes = Buffer.from(content);
  return {
    kind: 'file',
    path,
    mode: 0o644,
    mtimeMs: 0,
    size: bytes.length,
    body: each([bytes]),
    ...(again ? { range: (start: number, end: number) => each([bytes.subarray(start, end)]) } : {}),
  };
}

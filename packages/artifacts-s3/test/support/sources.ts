import { createHash } from 'node:crypto';
import type { ArtifactSource, JsonStore, Lease, UploadScope } from '@ritmo/agent-core';

export const lease: Lease = { jobId: 'job1', epoch: 3, token: 'job-token', ttlMs: 60_000 };

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A journal in memory. */
export function journal(
  values: Record<string, unknown> = {},
): JsonStore & { readonly values: Record<string, unknown> } {
  return {
    values,
    get: async (key) => structuredClone(values[key]),
    set: async (key, value) => {
      values[key] = structuredClone(value);
    },
  };
}

/** Bytes that differ from place to place, and are the same each time. */
export function pattern(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at + 4 <= size; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  return bytes;
}

/** A file in memory that counts the bytes that are read of it. */
export function source(
  path: string,
  content: string | Uint8Array,
  more: Partial<ArtifactSource> = {},
): ArtifactSource & { readonly bytesRead: number; readonly released: number } {
  const bytes = Buffer.from(content);
  const counts = { bytesRead: 0, released: 0 };
  const base: ArtifactSource = {
    name: 'out',
    path,
    size: bytes.length,
    mode: 0o644,
    async *read(start = 0, end = bytes.length) {
      for (let at = start; at < end; at += 262_144) {
        const chunk = bytes.subarray(at, Math.min(end, at + 262_144));
        counts.bytesRead += chunk.length;
        yield chunk;
      }
    },
    release: async () => {
      counts.released++;
    },
    ...more,
  };
  return Object.defineProperties(base, {
    bytesRead: { get: () => counts.bytesRead },
    released: { get: () => counts.released },
  }) as ReturnType<typeof source>;
}

export async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export function scope(
  signal = new AbortController().signal,
  progress = (_bytes: number): void => undefined,
): UploadScope {
  return { signal, progress };
}

import { createHash } from 'node:crypto';
import { type ArtifactRef, type ArtifactSource, folderArtifactStore } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { ArtifactEntry } from '@ritmo/protocol';
import type { ApiClient } from './api/client.js';

/**
 * Fetches files of a job into `dir/JOB/NAME/path`, each whole and with the sha256 that was stored, or not at all.
 * Yields each as it is there. Throws RITMO_ARTIFACT_DAMAGED for bytes that are others.
 */
export async function* fetchArtifacts(
  client: ApiClient,
  jobId: string,
  entries: readonly ArtifactEntry[],
  dir: string,
  signal: AbortSignal,
): AsyncGenerator<ArtifactRef> {
  const nothingKept = { get: async () => undefined, set: async () => undefined };
  await using store = folderArtifactStore(dir);
  const session = await store.open({ jobId, epoch: 1, token: '', ttlMs: 0 }, nothingKept);
  async function* sources(): AsyncGenerator<ArtifactSource> {
    for (const entry of entries) yield sourceOf(client, jobId, entry, signal);
  }
  try {
    yield* session.add(sources(), { signal, progress: () => undefined });
    await session.commit();
  } catch (error) {
    await session.abort();
    throw damaged(error) ?? error;
  }
}

function sourceOf(client: ApiClient, jobId: string, entry: ArtifactEntry, signal: AbortSignal): ArtifactSource {
  const { name, path, size, mode, linkTarget, artifactId, sha256 } = entry;
  return {
    name,
    path,
    size,
    mode,
    ...(linkTarget === undefined ? {} : { linkTarget }),
    async *read() {
      const hash = createHash('sha256');
      for await (const bytes of client.artifact(jobId, artifactId, signal)) {
        hash.update(bytes);
        yield bytes;
      }
      if (sha256 !== undefined && hash.digest('hex') !== sha256)
        throw new RitmoError('RITMO_ARTIFACT_DAMAGED', `The bytes of ${path} are not those that were stored.`);
    },
    release: async () => undefined,
  };
}

/** The error itself, where it says so somewhere among its causes. */
function damaged(error: unknown): RitmoError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof RitmoError && cause.code === 'RITMO_ARTIFACT_DAMAGED') return cause;
  return undefined;
}

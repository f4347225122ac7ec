import { expect, it } from 'vitest';
import { type ArtifactSource, apiArtifactStore, type JsonStore } from '../../src/artifact/index.js';
import { page } from '../transport/fake-server.js';
import { fastClock, lease, memoryLog, transportTo } from '../transport/support.js';
import { type ArtifactServer, artifactServer } from './artifact-server.js';
import { all, each, sha256, source } from './support.js';

function journal(): JsonStore & { readonly values: Map<string, unknown> } {
  const values = new Map<string, unknown>();
  return {
    values,
    get: async (key) => structuredClone(values.get(key)),
    set: async (key, value) => void values.set(key, structuredClone(value)),
  };
}

async function store(server: ArtifactServer, file: ArtifactSource, resume: JsonStore) {
  const clock = fastClock();
  await using transport = transportTo(server, { clock, log: memoryLog() });
  const session = await apiArtifactStore(transport, { parallel: 1, clock }).open(lease, resume);
  let sent = 0;
  const scope = { signal: new AbortController().signal, progress: (bytes: number) => void (sent += bytes) };
  const refs = await all(session.add(each([file]), scope));
  await session.commit();
  return { refs, sent };
}

it('parts that arrived before the agent died are not sent again, for as long as their upload is the same', async () => {
  await using server = await artifactServer();
  await using bucket = await artifactServer();
  let uploadId = 'first';
  server.plan = ({ artifactId }) => ({
    artifactId,
    parts: {
      partSize: 100_000,
      targets: [1, 2, 3].map((n) => ({ url: `http://${bucket.address}/${n}`, headers: {} })),
      uploadId,
    },
  });
  const takes = bucket.otherwise;
  let broken = true;
  bucket.otherwise = (seen, response, socket) =>
    (broken && seen.url === '/3' ? page(503) : takes)(seen, response, socket);
  const content = Buffer.alloc(250_000, 'part');
  const kept = journal();
  await expect(store(server, source('a', content), kept)).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_UPLOAD' });
  // As one that died: nothing closed its journal.
  await expect.poll(() => JSON.stringify(kept.values.get('api'))).toMatch(/"etags":\{"0":"[^,]+,"1":/);
  broken = false;
  const before = bucket.seen.length;
  const { refs, sent } = await store(server, source('a', content), kept);
  expect(bucket.seen.slice(before).map(({ url }) => url)).toEqual(['/3']);
  expect(refs).toMatchObject([{ sha256: sha256(content) }]);
  expect(sent).toBe(content.length);
  const [done] = [...server.completed.values()];
  expect(done?.etags).toHaveLength(3);

  uploadId = 'second';
  await store(server, source('a', content), kept);
  expect(bucket.seen.length - before).toBe(4);
});

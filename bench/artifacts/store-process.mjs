// The store as it is published, in a process of its own: what it holds in memory is not that of the bench around it.
import { createReadStream, readFileSync } from 'node:fs';

const [port, path, size, name] = process.argv.slice(2);
const { s3ArtifactStore } = await import('@ritmo/artifacts-s3');
const bytes = Number(size);
const store = s3ArtifactStore({
  bucket: 'bench',
  endpoint: `http://127.0.0.1:${port}`,
  credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
});
const lease = { jobId: 'bench', epoch: 1, token: '', ttlMs: 60_000 };
const session = await store.open(lease, { get: async () => undefined, set: async () => undefined });
async function* files() {
  yield {
    name: 'bench',
    path: name,
    size: bytes,
    mode: 0o644,
    read: (start = 0, end = bytes) => createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 }),
    release: async () => undefined,
  };
}
for await (const _ of session.add(files(), { signal: new AbortController().signal, progress: () => undefined }));
await session.commit();
await store[Symbol.asyncDispose]();
const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
process.stdout.write(`${peak}\n`);

// The store as it is published, in a process of its own: what it holds in memory is not that of the bench around it.
// Sends one file, or `count` of 1 KiB; prints the highest memory in bytes and the milliseconds of the sending.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

// As ritmo-agent does before it loads anything.
setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=40');
const [options, path, size, name, count = '1'] = process.argv.slice(2);
const { s3ArtifactStore } = await import('@ritmo/artifacts-s3');
const { readOpenFile } = await import('@ritmo/host-linux');
const bytes = Number(size);
const store = s3ArtifactStore(JSON.parse(options));
const lease = { jobId: 'bench', epoch: 1, token: '', ttlMs: 60_000 };
const session = await store.open(lease, { get: async () => undefined, set: async () => undefined });
async function* read(start = 0, end = bytes, into) {
  const fd = openSync(path, 'r');
  try {
    yield* readOpenFile(fd, start, end, path, into);
  } finally {
    closeSync(fd);
  }
}
async function* files() {
  for (let n = 0; n < Number(count); n++)
    yield { name: 'bench', path: `${name}/${n}`, size: bytes, mode: 0o644, read, release: async () => undefined };
}
const begin = performance.now();
for await (const _ of session.add(files(), { signal: new AbortController().signal, progress: () => undefined }));
const ms = performance.now() - begin;
await session.commit();
await store[Symbol.asyncDispose]();
const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
process.stdout.write(`${JSON.stringify({ peak, ms })}\n`);

import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ArtifactSource } from '@ritmo/agent-core';
import { s3ArtifactStore, type S3Options } from '@ritmo/artifacts-s3';
import { figure } from '../system/figures.js';
import { memoryFigure, storeProcess } from './store-process.js';

const mebibyte = 1024 ** 2;
const bigBytes = Number(process.env['RITMO_BENCH_BYTES'] ?? 1024 * mebibyte);
const smallFiles = Number(process.env['RITMO_BENCH_FILES'] ?? 20_000);
const lease = { jobId: 'bench', epoch: 1, token: '', ttlMs: 60_000 };

/** One large file and many small ones to an S3 server on loopback, each beside plain PUTs of the same bytes. */
export async function artifacts(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-bench-s3-'));
  const script = fileURLToPath(new URL('s3-process.mjs', import.meta.url));
  const from = fileURLToPath(import.meta.resolve('@ritmo/artifacts-s3/package.json'));
  const server = spawn(process.execPath, [script, folder, from], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve) => server.stdout.once('data', (line) => resolve(Number(line))));
    const path = join(folder, 'file');
    const file = await open(path, 'w');
    for (let at = 0; at < bigBytes; at += mebibyte) await file.write(Buffer.alloc(mebibyte, at / mebibyte));
    await file.close();

    // Twice and in turns: the first warms up, and neither has the better time of the machine.
    const plain: number[] = [];
    const parts: number[] = [];
    const ours: number[] = [];
    for (let time = 0; time < 2; time++) {
      plain.push(
        await measure(() => put(port, `plain-${time}`, createReadStream(path, { highWaterMark: mebibyte }), bigBytes)),
      );
      parts.push(await measure(() => putInParts(port, `parts-${time}`, path)));
      ours.push(await measure(() => store(port, [fileSource(path, `big-${time}`)])));
    }
    const big = Math.min(...plain) / Math.min(...ours);
    figure(`${bigBytes / mebibyte} MiB, against a plain PUT`, `${big.toFixed(2)} x`, '0.9 x', big >= 0.9);
    const same = Math.min(...parts) / Math.min(...ours);
    figure('the same, against plain PUTs of the same parts', `${same.toFixed(2)} x`, '0.9 x', same >= 0.9);
    memoryFigure('it', (await storeProcess(optionsOf(port), path, bigBytes, 'memory')).peak);

    await many(port, smallFiles, 'against one PUT after another');
  } finally {
    server.kill();
    await new Promise((resolve) => server.once('exit', resolve));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Small files, one plain PUT after another, and by the store. */
async function many(port: number, count: number, name: string): Promise<void> {
  const content = Buffer.alloc(1024, 'x');
  const alone = await measure(async () => {
    for (let n = 0; n < count; n++) await put(port, `one/${n}`, [content], content.length);
  });
  const sources = Array.from({ length: count }, (_, n) => bytesSource(content, `many/${n}`));
  const together = await measure(() => store(port, sources));
  const times = alone / together;
  figure(`${count} x 1 KiB, ${name}`, `${times.toFixed(2)} x`, '8 x', times >= 8);
}

async function measure(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

const agent = new Agent({ keepAlive: true });

/** A PUT without anything around it: no signature, no hash. */
function put(
  port: number,
  key: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      { agent, port, method: 'PUT', path: `/bench/${key}`, headers: { 'Content-Length': size } },
      (answer) => {
        answer.resume();
        answer.once('end', () =>
          answer.statusCode === 200 ? resolve(answer.headers.etag ?? '') : reject(new Error(String(answer.statusCode))),
        );
      },
    );
    call.once('error', reject);
    void (async () => {
      for await (const bytes of body) if (!call.write(bytes)) await new Promise((go) => call.once('drain', go));
      call.end();
    })();
  });
}

const partBytes = 8 * mebibyte;

/** What the server can take in parts at all: the same requests, of one buffer, with no signature and no hash. */
async function putInParts(port: number, key: string, path: string): Promise<void> {
  const begun = await post(port, `${key}?uploads`, '');
  const id = /<UploadId>([^<]+)/.exec(begun)?.[1] ?? '';
  const etags: string[] = [];
  let next = 0;
  const lane = async () => {
    for (let at = next++; at * partBytes < bigBytes; at = next++) {
      const end = Math.min(bigBytes, (at + 1) * partBytes);
      const body = createReadStream(path, { start: at * partBytes, end: end - 1, highWaterMark: mebibyte });
      etags[at] = await put(port, `${key}?partNumber=${at + 1}&uploadId=${id}`, body, end - at * partBytes);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  const list = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`).join('');
  await post(port, `${key}?uploadId=${id}`, `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
}

async function post(port: number, key: string, body: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/bench/${key}`, { method: 'POST', body });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
}

function optionsOf(port: number): S3Options {
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  return { bucket: 'bench', endpoint: `http://127.0.0.1:${port}`, credentials };
}

async function store(port: number, sources: readonly ArtifactSource[]): Promise<void> {
  await using artifactStore = s3ArtifactStore(optionsOf(port));
  const session = await artifactStore.open(lease, { get: async () => undefined, set: async () => undefined });
  const scope = { signal: new AbortController().signal, progress: () => undefined };
  async function* each() {
    yield* sources;
  }
  for await (const _ of session.add(each(), scope));
  await session.commit();
}

function fileSource(path: string, name: string): ArtifactSource {
  return {
    ...facts(name),
    size: bigBytes,
    read: (start = 0, end = bigBytes) => createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 }),
  };
}

function bytesSource(bytes: Buffer, name: string): ArtifactSource {
  return {
    ...facts(name),
    size: bytes.length,
    async *read() {
      yield bytes;
    },
  };
}

const facts = (path: string) => ({ name: 'bench', path, mode: 0o644, release: async () => undefined });

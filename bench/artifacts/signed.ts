import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactSource } from '@ritmo/agent-core';
import { s3ArtifactStore, s3ServerBucket } from '@ritmo/artifacts-s3';
import { SeaweedFs } from '../../packages/artifacts-s3/test/support/seaweedfs.js';
import { figure } from '../system/figures.js';
import { memoryFigure, storeProcess } from './store-process.js';

const mebibyte = 1024 ** 2;
const bigBytes = Number(process.env['RITMO_BENCH_BYTES'] ?? 1_000_000_000);
const smallFiles = Number(process.env['RITMO_BENCH_FILES'] ?? 2_000);
const lease = { jobId: 'bench', epoch: 1, token: '', ttlMs: 60_000 };

/** As `artifacts`, beside a server that checks signatures and copies nothing when parts become one object. */
export async function signedArtifacts(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-bench-signed-'));
  await using server = await SeaweedFs.start(300);
  await using bucket = s3ServerBucket(server.options);
  const urlOf = async (key: string) => (await bucket.putTarget(key, 'text/plain')).url;
  try {
    const path = join(folder, 'file');
    await using file = await open(path, 'w');
    for (let at = 0; at < bigBytes; at += mebibyte) await file.write(Buffer.alloc(mebibyte, at / mebibyte));
    const plain: number[] = [];
    const ours: number[] = [];
    const memory: number[] = [];
    for (let time = 0; time < 3; time++) {
      const url = await urlOf(`plain-${time}`);
      plain.push(
        await sending((agent) => put(agent, url, createReadStream(path, { highWaterMark: mebibyte }), bigBytes)),
      );
      const { ms, peak } = await storeProcess(server.options, path, bigBytes, `big-${time}`);
      ours.push(ms);
      memory.push(peak);
    }
    const big = Math.min(...plain) / Math.min(...ours);
    const took = `${(Math.min(...plain) / 1000).toFixed(1)} s and ${(Math.min(...ours) / 1000).toFixed(1)} s`;
    figure(`${bigBytes / 1e6} MB, against a plain PUT`, `${big.toFixed(2)} x, ${took}`, '0.9 x', big >= 0.9);
    memoryFigure('it', Math.max(...memory));

    const content = Buffer.alloc(1024, 'x');
    const urls = await Promise.all(Array.from({ length: smallFiles }, (_, n) => urlOf(`one/${n}`)));
    const alone = await sending(async (agent) => {
      for (const url of urls) await put(agent, url, [content], content.length);
    });
    const lanes = await sending(async (agent) => {
      const left = [...urls];
      const lane = async () => {
        for (let url = left.pop(); url !== undefined; url = left.pop())
          await put(agent, url, [content], content.length);
      };
      await Promise.all(Array.from({ length: 16 }, lane));
    });
    const before = process.cpuUsage();
    const sources = urls.map((_, n) => bytesSource(content, `many/${n}`));
    const together = await measure(() => store(server, sources));
    const { user, system } = process.cpuUsage(before);
    const times = alone / together;
    figure(`${smallFiles} x 1 KiB, against one PUT after another`, `${times.toFixed(2)} x`, '8 x', times >= 8);
    const most = alone / lanes;
    figure('16 plain PUTs at once, without signature or hash', `${most.toFixed(2)} x`, '8 x', most >= 8);
    const cpu = (user + system) / 1000 / smallFiles;
    figure('processor time of the store for each', `${cpu.toFixed(2)} ms`, '0.5 ms', cpu <= 0.5);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** With connections of its own: the server ends those that were idle meanwhile. */
async function sending(work: (agent: Agent) => Promise<unknown>): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  try {
    return await measure(() => work(agent));
  } finally {
    agent.destroy();
  }
}

/** A PUT to a signed address: no signature, no hash and no other work on this side. */
function put(
  agent: Agent,
  url: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
): Promise<void> {
  const headers = { 'Content-Length': size, 'Content-Type': 'text/plain' };
  return new Promise((resolve, reject) => {
    const call = request(url, { agent, method: 'PUT', headers }, (answer) => {
      answer.resume();
      answer.once('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(String(answer.statusCode)))));
    });
    call.once('error', reject);
    void (async () => {
      for await (const bytes of body) if (!call.write(bytes)) await new Promise((go) => call.once('drain', go));
      call.end();
    })();
  });
}

async function store(server: SeaweedFs, sources: readonly ArtifactSource[]): Promise<void> {
  await using artifacts = s3ArtifactStore(server.options);
  const session = await artifacts.open(lease, { get: async () => undefined, set: async () => undefined });
  const scope = { signal: new AbortController().signal, progress: () => undefined };
  async function* each() {
    yield* sources;
  }
  for await (const _ of session.add(each(), scope));
  await session.commit();
}

const facts = (path: string) => ({ name: 'bench', path, mode: 0o644, release: async () => undefined });

function bytesSource(bytes: Buffer, name: string): ArtifactSource {
  return {
    ...facts(name),
    size: bytes.length,
    async *read() {
      yield bytes;
    },
  };
}

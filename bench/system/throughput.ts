import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { LogLineSplitter } from '@ritmo/protocol';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuOf, figure, mebibytes, memoryOf } from './figures.js';
import { startSystem } from './system.js';

const megabytes = 200;
const bytes = megabytes * 1_000_000;
const line = '[12:34:56] compiling target foo/bar/baz.c -O2 -Wall with some more text to make it a line of a hundred.';
const script = `yes '${line}' | head -c ${bytes}`;

/** A step that prints 200 MB: complete at the server, fast enough, and the agent stays small. */
export async function throughput(): Promise<void> {
  const floor = await floorSeconds();
  await printToSealed(floor);
  await using system = await startSystem({ maxConcurrent: 2 });
  const begin = performance.now();
  const id = await system.submit({ version: 1, name: 'flood', steps: [{ run: script }] });
  const job = await system.ended(id);
  const seconds = (performance.now() - begin) / 1000;
  if (job.state !== 'succeeded') throw new Error(`the job ended as ${job.state}: ${job.failure?.message}`);
  const rate = megabytes / seconds;
  figure(
    `${megabytes} MB of output, print to sealed and read back`,
    `${rate.toFixed(0)} MB/s`,
    '>= 40 MB/s',
    rate >= 40,
  );
  figure('  floor: the same through a pipe into Node', `${(megabytes / floor).toFixed(0)} MB/s`, '', undefined);
  const complete = (await outputHash(system, id)) === expectedHash();
  figure('  complete (sha256 of the joined text)', complete ? 'yes' : 'no', 'yes', complete);
  const agent = await memoryOf(system.agentPid);
  figure('  agent memory at its highest', mebibytes(agent.peak), '< 200 MB', agent.peak < 200e6);
  const server = await memoryOf(system.serverPid);
  figure('  server memory at its highest', mebibytes(server.peak), '', undefined);
}

/** Nobody reads, and nothing is between agent and server. */
async function printToSealed(floor: number): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 2, tapped: false });
  const before = { agent: await cpuOf(system.agentPid), server: await cpuOf(system.serverPid) };
  const begin = performance.now();
  const id = await system.submit({ version: 1, name: 'flood', steps: [{ run: script }] });
  while (((await (await system.get(`/v1/jobs/${id}`)).json()) as { state: string }).state !== 'succeeded')
    await delay(25);
  const seconds = (performance.now() - begin) / 1000;
  const rate = megabytes / seconds;
  figure(`${megabytes} MB of output, print to sealed`, `${rate.toFixed(0)} MB/s`, '>= 80 MB/s', rate >= 80);
  figure('  beside the floor', `${(floor / seconds).toFixed(2)} of it`, '', undefined);
  const spent = async (pid: number, from: number) =>
    `${((megabytes * 1000) / ((await cpuOf(pid)) - from)).toFixed(0)} MB`;
  figure('  for each second of CPU: agent', await spent(system.agentPid, before.agent), '', undefined);
  figure('  for each second of CPU: server', await spent(system.serverPid, before.server), '', undefined);
}

async function floorSeconds(): Promise<number> {
  const begin = performance.now();
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = 0;
  for await (const chunk of child.stdout) seen += (chunk as Buffer).length;
  if (seen !== bytes) throw new Error('the floor lost bytes');
  return (performance.now() - begin) / 1000;
}

function expectedHash(): string {
  const hash = createHash('sha256');
  const block = `${line}\n`.repeat(10_000);
  let left = bytes;
  for (; left >= block.length; left -= block.length) hash.update(block);
  return hash.update(block.slice(0, left)).digest('hex');
}

async function outputHash(system: { get(path: string): Promise<Response> }, id: string): Promise<string> {
  const hash = createHash('sha256');
  const splitter = new LogLineSplitter();
  const log = await system.get(`/v1/jobs/${id}/log`);
  for await (const chunk of log.body ?? []) {
    for (const record of splitter.push(chunk as Uint8Array)) if (record.k === 'out') hash.update(record.m);
  }
  return hash.digest('hex');
}

import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuOf, figure, memoryOf, milliseconds, percentile } from '../system/figures.js';
import { startSystem, type System } from '../system/system.js';

const count = Number(process.env['RITMO_BENCH_READERS'] ?? 1000);
const phaseMs = 5_000;

/** 1 MB at once, then 100 kB/s for as long as it is watched. */
const script = `yes 'a line that is here when readers come' | head -c 1000000; while :; do printf '%010240d\\n' 0; sleep 0.1; done`;

/** What 1,000 readers of one log cost the server: memory for each, and time of the appends of the build. */
export async function readers(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 1 });
  const id = await system.submit({ version: 1, name: 'watched', grace: 100, steps: [{ run: script }] });
  await delay(phaseMs);
  const alone = await watch(system);
  const before = await memoryOf(system.serverPid);
  const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
  const got = Array.from({ length: count }, () => 0);
  const open = await Promise.all(Array.from({ length: count }, (_, index) => follow(system, id, agent, got, index)));
  while (Math.min(...got) < 1_000_000) await delay(50);
  const caughtUp = await memoryOf(system.serverPid);
  const crowd = await watch(system);
  const end = await memoryOf(system.serverPid);
  for (const answer of open) answer.destroy();
  const each = (bytes: number) => (bytes - before.now) / count;
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(0)} KB`;
  figure(
    '1,000 readers of one log: memory each, caught up',
    kilobytes(each(caughtUp.now)),
    '< 100 KB',
    each(caughtUp.now) < 1e5,
  );
  figure(
    '1,000 readers of one log: memory each, 10 s later',
    kilobytes(each(end.now)),
    '< 100 KB',
    each(end.now) < 1e5,
  );
  figure('1,000 readers of one log: at the peak', kilobytes(each(end.peak)), '', undefined);
  figure('appends of the build, p50, nobody reads', milliseconds(alone.append), '', undefined);
  figure('appends of the build, p50, 1,000 read', milliseconds(crowd.append), '', undefined);
  figure('share of a core of the server, nobody reads', `${(alone.cpu * 100).toFixed(0)} %`, '', undefined);
  figure('share of a core of the server, 1,000 read', `${(crowd.cpu * 100).toFixed(0)} %`, '', undefined);
  await system.cancel(id);
}

async function watch(system: System): Promise<{ readonly append: number; readonly cpu: number }> {
  system.tap.clear();
  const before = await cpuOf(system.serverPid);
  await delay(phaseMs);
  const appends = system.tap.calls.filter(({ method, path }) => method === 'PUT' && path.includes('/log?'));
  return {
    append: percentile(
      appends.map(({ asked, answered }) => answered - asked),
      0.5,
    ),
    cpu: ((await cpuOf(system.serverPid)) - before) / phaseMs,
  };
}

function follow(system: System, id: string, agent: Agent, got: number[], index: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = `${system.url}/v1/jobs/${id}/log?follow=1`;
    get(url, { agent, headers: system.headers }, (answer) => {
      answer.on('data', (chunk: Buffer) => {
        got[index] = (got[index] ?? 0) + chunk.length;
      });
      // The bench goes away in the end, and the server then too.
      answer.on('error', () => undefined);
      resolve(answer);
    }).once('error', reject);
  });
}

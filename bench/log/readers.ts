import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuOf, figure, memoryOf, milliseconds, percentile } from '../system/figures.js';
import { startSystem, type System } from '../system/system.js';

const count = Number(process.env['RITMO_BENCH_READERS'] ?? 1000);
/** The first come before memory is measured: what a server takes for any crowd is not that of a reader. */
const first = Math.floor(count / 5);
const phaseMs = 5_000;
const startBytes = 1_000_000;

/** 1 MB at once, then 100 kB/s for as long as it is watched. */
const script = `yes 'a line that is here when readers come' | head -c ${startBytes}; while :; do printf '%010240d\\n' 0; sleep 0.1; done`;

/** What 1,000 readers of one log cost the server: memory for each, and time of the appends of the build. */
export async function readers(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 1 });
  const id = await system.submit({ version: 1, name: 'watched', grace: 100, steps: [{ run: script }] });
  await delay(phaseMs);
  const alone = await watch(system);
  const empty = await memoryOf(system.serverPid);
  using crowd = startCrowd(`${system.url}/v1/jobs/${id}/log?follow=1`, system.headers['authorization'] ?? '');
  await crowd.come(first);
  const before = await memoryOf(system.serverPid);
  await crowd.come(count - first);
  const caughtUp = await memoryOf(system.serverPid);
  const watched = await watch(system);
  const end = await memoryOf(system.serverPid);
  const each = (bytes: number) => (bytes - before.now) / (count - first);
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(0)} KB`;
  const name = `${count} readers of one log: memory for one more`;
  figure(`${name}, caught up`, kilobytes(each(caughtUp.now)), '< 100 KB', each(caughtUp.now) < 1e5);
  figure(`${name}, 5 s later`, kilobytes(each(end.now)), '< 100 KB', each(end.now) < 1e5);
  figure('  by all that they took together', kilobytes((end.now - empty.now) / count), '', undefined);
  figure('appends of the build, p50, nobody reads', milliseconds(alone.append), '', undefined);
  figure(`appends of the build, p50, ${count} read`, milliseconds(watched.append), '', undefined);
  figure('share of a core of the server, nobody reads', `${(alone.cpu * 100).toFixed(0)} %`, '', undefined);
  figure(`share of a core of the server, ${count} read`, `${(watched.cpu * 100).toFixed(0)} %`, '', undefined);
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

interface Crowd extends Disposable {
  /** Resolves when so many more have come and all have caught up. */
  come(more: number): Promise<void>;
}

/** Readers in a process of their own, so that they do not slow what is measured here. */
function startCrowd(url: string, authorization: string): Crowd {
  const program = fileURLToPath(new URL('crowd.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, url, String(startBytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], RITMO_BENCH_AUTHORIZATION: authorization },
  });
  return {
    async come(more) {
      const all = once(child.stdout, 'data');
      child.stdin.write(`${more}\n`);
      await all;
    },
    [Symbol.dispose]: () => void child.kill(),
  };
}

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readyWorker, startServer } from '../support/cluster.js';

/** CI is short of time; five minutes are watched with RITMO_LOUD_SECONDS=300. */
const seconds = Number(process.env['RITMO_LOUD_SECONDS'] ?? 10);
const builds = 8;
/** What an agent may take beyond what it takes idle, and what it may grow once it has seen the worst. */
const mostBytes = 120e6;
const mostGrowth = 25e6;

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

it('eight builds that print as fast as they can leave the agent as small as it was', {
  timeout: (seconds * 4 + 300) * 1000,
}, async () => {
  const server = await startServer();
  const worker = await readyWorker(server, {
    flags: ['--max-concurrent', String(builds), '--max-log-size', '64MiB'],
  });
  const idle = await residentBytes(worker.pid);
  const run = "yes 'as fast as it can'";
  const ids = await Promise.all(
    Array.from({ length: builds }, (_, index) => server.submit({ name: `loud ${index}`, steps: [{ run }] })),
  );
  const logBytes = async (id: string) => (await server.job(id)).attempts[0]?.log.length ?? 0;
  for (const id of ids) while ((await logBytes(id)) < 1e6) await delay(20);
  const samples: number[] = [];
  // A measuring of memory over time, not a wait for something to happen.
  for (let sample = 0; sample < seconds * 2; sample++) {
    await delay(500);
    samples.push(await residentBytes(worker.pid));
  }
  for (const id of ids) await server.call('POST', `/v1/jobs/${id}/cancel`, {});
  for (const id of ids) expect((await server.ended(id)).state).toBe('cancelled');
  const half = samples.length / 2;
  expect(Math.max(...samples) - idle).toBeLessThan(mostBytes);
  expect(Math.max(...samples.slice(half))).toBeLessThan(Math.max(...samples.slice(0, half)) + mostGrowth);
  worker.kill('SIGTERM');
  await worker.ended;
});

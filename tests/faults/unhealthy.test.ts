import { execFileSync } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { readyWorker, startServer } from '../support/cluster.js';
import { shortLeases } from '../support/short-leases.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow } from '../support/witness.js';

it('a worker whose disk fills up says so and claims nothing; it comes back by itself once there is room', async () => {
  const folder = await temporaryFolder('ritmo-state');
  await chmod(folder, 0o711);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=0711', 'ritmo-test', folder]);
  onTestFinished(async () => {
    for (const point of (await mountsBelow(folder)).toReversed()) execFileSync('umount', [point]);
  });
  const server = await startServer({ heartbeatMs: 200 });
  const flags = ['--name', 'full', '--min-free-disk', '100MiB', '--health-addr', '0'];
  const worker = await readyWorker(server, { stateDir: join(folder, 'agent'), flags });
  const [, health = ''] = await worker.stderr.waitFor(/(http:\/\/127\.0\.0\.1:\d+)","msg":"health/);
  const seen = async (state: string) => {
    for (;;) {
      const [one] = await server.workers();
      if (one?.state === state) return one;
      await delay(20);
    }
  };
  const filler = join(folder, 'filler');
  await writeFile(filler, Buffer.alloc(200 * 1024 ** 2));
  expect((await seen('unhealthy')).reasons.join(' ')).toMatch(/are free where .* lies; jobs are taken from 100MiB on/);
  const answer = await fetch(`${health}/readyz`);
  expect([answer.status, await answer.json()]).toMatchObject([503, { ready: false, reasons: [/are free/] }]);
  expect((await fetch(`${health}/healthz`)).status).toBe(200);
  const id = await server.submit({ name: 'patient', steps: [{ run: 'echo at last' }] });
  expect((await server.job(id)).state).toBe('queued');
  await rm(filler);
  expect((await server.ended(id)).state).toBe('succeeded');
  await seen('idle');
  expect((await fetch(`${health}/readyz`)).status).toBe(200);
  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
});

it('a worker whose builds use every core still renews its leases in time', async () => {
  const server = await startServer({ ...shortLeases, heartbeatMs: 1_000 });
  const worker = await readyWorker(server, { flags: ['--max-concurrent', '2'] });
  const busy = Array.from({ length: 2 * availableParallelism() }, () => 'timeout 12 sh -c "while :; do :; done" &');
  const steps = [{ run: `${busy.join(' ')} wait; echo through` }];
  // One that would be given away, and one that would be lost.
  const ids = [
    await server.submit({ name: 'again', onLost: 'requeue', attempts: 2, steps }),
    await server.submit({ name: 'once', steps }),
  ];
  for (const id of ids) {
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded', epoch: 1 });
    expect(await server.output(id)).toBe('through\n');
  }
  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
});

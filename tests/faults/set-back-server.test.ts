import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readyWorker, serverProcess } from '../support/cluster.js';
import { untilProcesses } from '../support/processes.js';
import { temporaryFolder } from '../support/temporary-folder.js';

it('a server that is restored from an old copy repeats no job that may run once, and its worker goes on', async () => {
  const folder = await temporaryFolder();
  const [data, copy] = [join(folder, 'data'), join(folder, 'copy')];
  const first = await serverProcess(data, 0, { shortLeases: true });
  const worker = await readyWorker(first.server, { flags: ['--name', 'steady', '--max-concurrent', '3'] });
  const ended = await first.server.submit({ name: 'ended', steps: [{ run: 'echo once; sleep 3' }] });
  await first.server.when(ended, ['running']);
  first.program.kill('SIGKILL');
  await first.program.ended;
  // In this copy the first job runs, and the second is not known.
  await cp(data, copy, { recursive: true });
  const second = await serverProcess(data, first.port, { shortLeases: true });
  expect(await second.server.ended(ended)).toMatchObject({ state: 'succeeded', epoch: 1 });
  const unknown = await second.server.submit({ name: 'unknown', steps: [{ run: 'echo on; sleep 1000' }] });
  while ((await second.server.output(unknown)) === '') await new Promise((resolve) => setImmediate(resolve));
  second.program.kill('SIGKILL');
  await second.program.ended;
  const restored = await serverProcess(copy, first.port, { shortLeases: true });
  // The agent forgot the job when it was told of: nobody renews its lease, and nobody runs it again.
  expect(await restored.server.when(ended, ['lost'])).toMatchObject({
    epoch: 1,
    failure: { code: 'RITMO_LEASE_LOST' },
  });
  expect((await restored.server.job(ended)).attempts).toHaveLength(1);
  // Nobody can ever be told of the other: it ends after the time of a lease.
  await untilProcesses('none', unknown);
  const next = await restored.server.submit({ name: 'next', steps: [{ run: 'echo here' }] });
  expect(await restored.server.ended(next)).toMatchObject({ state: 'succeeded', worker: 'steady' });
  expect(await restored.server.output(next)).toBe('here\n');
  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
});

it('a server that is restored from before the worker came registers it again, under its name', async () => {
  const folder = await temporaryFolder();
  const [data, copy] = [join(folder, 'data'), join(folder, 'copy')];
  const empty = await serverProcess(data, 0, { shortLeases: true });
  empty.program.kill('SIGKILL');
  await empty.program.ended;
  await cp(data, copy, { recursive: true });
  const first = await serverProcess(data, empty.port, { shortLeases: true });
  const worker = await readyWorker(first.server, { flags: ['--name', 'later'] });
  first.program.kill('SIGKILL');
  await first.program.ended;
  const restored = await serverProcess(copy, empty.port, { shortLeases: true });
  const id = await restored.server.submit({ name: 'first', steps: [{ run: 'echo here' }] });
  expect(await restored.server.ended(id)).toMatchObject({ state: 'succeeded', worker: 'later' });
  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBusyboxImage } from './support/images.js';
import { Worker } from './support/host.js';

const MiB = 2 ** 20;
let worker: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  worker = await Worker.open();
});
afterAll(() => worker[Symbol.asyncDispose]());

it('says that memory ended a step, and goes on with the next', async () => {
  await using box = await worker.box({ limits: { memoryBytes: 32 * MiB } });
  const { exit } = await box.sh('tail /dev/zero');
  expect(exit).toMatchObject({ limit: 'memory' });
  expect((await box.sh('exit 3')).exit).toEqual({ status: 'exited', code: 3 });
});

it('gives no swap beside the memory', async () => {
  await using box = await worker.box({ limits: { memoryBytes: 32 * MiB } });
  const { exit } = await box.sh('head -c 64000000 /dev/zero | tail -c 60000000 >/dev/null');
  expect(exit).toMatchObject({ limit: 'memory' });
});

it('says so too when memory that no process holds ends the whole container', async () => {
  await using box = await worker.box({ limits: { memoryBytes: 24 * MiB, shmBytes: 256 * MiB } });
  const fill = 'i=0; while :; do i=$((i + 1)); dd if=/dev/zero of=/dev/shm/$i bs=1M count=20; done';
  expect((await box.sh(fill)).exit).toMatchObject({ limit: 'memory' });
  expect(['not-started', 'signalled', 'exited']).toContain((await box.sh('exit 0')).exit.status);
});

it('says that the bound of processes ended a step', async () => {
  await using box = await worker.box({ limits: { pids: 24 } });
  const { exit } = await box.sh('i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done; exit 0');
  expect(exit).toMatchObject({ limit: 'pids' });
});

it('says that a full disk ended a step, which the worker does not notice', async () => {
  await using box = await worker.box({ limits: { diskBytes: 24 * MiB } });
  const { exit, text } = await box.sh('dd if=/dev/zero of=big bs=1M count=100');
  expect(text).toContain('No space left');
  expect(exit).toMatchObject({ status: 'exited', code: 1, limit: 'disk' });
  expect((await box.sh('rm big && exit 7')).exit).toEqual({ status: 'exited', code: 7 });
});

it('bounds /tmp and /dev/shm by their sizes', async () => {
  await using box = await worker.box({ limits: { tmpBytes: 4 * MiB, shmBytes: 2 * MiB } });
  const { text } = await box.sh("df -k /tmp /dev/shm | awk 'NR > 1 { print $2 }'");
  expect(text).toBe('4096\n2048\n');
  for (const [folder, kib] of [
    ['/tmp', 4096],
    ['/dev/shm', 2048],
  ] as const) {
    const full = await box.sh(`dd if=/dev/zero of=${folder}/big bs=1024`);
    expect(full.exit).toEqual({ status: 'exited', code: 1 });
    expect(full.text).toContain('No space left on device');
    expect((await box.sh(`wc -c < ${folder}/big; rm ${folder}/big`)).text).toBe(`${kib * 1024}\n`);
  }
});

it('holds a step to its share of the processors', async () => {
  await using box = await worker.box({ limits: { cpus: 0.25 } });
  const step = box.start('echo ready; while :; do :; done', {}, 0);
  await step.printed('ready');
  const { text } = await (async () => {
    const begin = performance.now();
    const before = (await box.sandbox.usage(new AbortController().signal)).cpuMs;
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const used = (await box.sandbox.usage(new AbortController().signal)).cpuMs - before;
    return { text: used / (performance.now() - begin) };
  })();
  step.abort({ reason: 'user', graceMs: 0 });
  await step.exit;
  expect(text).toBeLessThan(0.4);
});

it('refuses more than the worker has', async () => {
  const scope = worker.scope();
  for (const limits of [{ memoryBytes: 2 ** 50 }, { cpus: 10_000 }, { memoryBytes: 1024 }, { diskBytes: 1024 }]) {
    await expect(worker.executor.allocate(worker.request({ limits }), scope)).rejects.toMatchObject({
      code: 'RITMO_EXECUTOR_UNSUPPORTED',
    });
  }
  expect(worker.residue().filter((thing) => thing.startsWith('folder'))).toEqual([]);
});

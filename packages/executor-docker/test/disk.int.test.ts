import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBusyboxImage } from './support/images.js';
import { Worker } from './support/host.js';

const MiB = 2 ** 20;
const { signal } = new AbortController();
let held: Worker;
let watched: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  held = await Worker.open();
  watched = await Worker.open({ diskLimit: 'watch' });
});
afterAll(async () => {
  await held[Symbol.asyncDispose]();
  await watched[Symbol.asyncDispose]();
});

const fill = (path: string) => `dd if=/dev/zero of=${path} bs=1M count=64 2>/dev/null; echo written; sleep 600`;

it('says how a limit of disk is kept', async () => {
  for (const [worker, kind] of [
    [held, 'volume'],
    [watched, 'watched'],
  ] as const) {
    expect(worker.executor.capabilities.limits).toContain('disk');
    expect((await worker.executor.probe(signal)).facts).toMatchObject({ diskLimit: kind });
  }
});

it('ends a step that fills its workspace where no volume holds it, and goes on with the next', async () => {
  await using box = await watched.box({ limits: { diskBytes: 32 * MiB } });
  const { exit } = await box.sh(fill('big'));
  expect(exit).toMatchObject({ status: 'signalled', signal: 'SIGKILL', limit: 'disk' });
  expect((await box.sandbox.usage(signal)).diskBytes).toBeGreaterThan(32 * MiB);
  expect((await box.sh('rm big; exit 7')).exit).toEqual({ status: 'exited', code: 7 });
});

it('ends a step that fills the disk of the daemon, beside its workspace', async () => {
  for (const worker of [held, watched]) {
    await using box = await worker.box({ limits: { diskBytes: 32 * MiB } });
    expect((await box.sh(fill('/var/big'))).exit).toMatchObject({ status: 'signalled', limit: 'disk' });
    expect((await box.sh('rm /var/big; exit 7')).exit).toEqual({ status: 'exited', code: 7 });
  }
});

it('lets a step be that stays below its limit, and one that has none', async () => {
  for (const limits of [{ diskBytes: 256 * MiB }, {}]) {
    await using box = await watched.box({ limits });
    const step = box.start('dd if=/dev/zero of=big bs=1M count=64 2>/dev/null; echo ready; sleep 2.5; exit 3');
    expect(await step.exit).toEqual({ status: 'exited', code: 3 });
    expect((await box.sandbox.usage(signal)).diskBytes).toBeGreaterThanOrEqual(64 * MiB);
  }
});

import { beforeAll, expect, it } from 'vitest';
import { findDaemon } from '../src/docker/address.js';
import { Worker } from './support/host.js';
import { makeBusyboxImage } from './support/images.js';

beforeAll(() => makeBusyboxImage());

/** The containers of an installation, by what the daemon says. */
async function containersOf(ownerId: string) {
  const { client } = await findDaemon(undefined);
  const found = await client.listContainers(`dev.ritmo.owner=${ownerId}`);
  return { client, ids: found.map(({ id }) => id) };
}

it('leaves a long output to the next agent, which loses nothing of it', async () => {
  await using worker = await Worker.open();
  const box = await worker.box();
  const step = box.start('i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); echo "line $i"; done; exit 7');
  await step.printed('line 1000\n');
  await box.sandbox.detach?.();
  await expect(step.exit).rejects.toMatchObject({ code: 'RITMO_SANDBOX_BROKEN' });
  const before = step.seen.text;
  await worker.reopen();
  const { box: adopted, runningStep } = await worker.recover(box.record);
  expect(runningStep).toBe('step-1');
  const attached = adopted.attach('step-1');
  expect(await attached.exit).toEqual({ status: 'exited', code: 7 });
  const lines = (before + attached.seen.text).split('\n');
  expect(lines.length).toBe(200_001);
  expect(lines.findIndex((line, i) => line !== `line ${i + 1}`)).toBe(200_000);
  expect((await adopted.sh('echo next; exit 3')).exit).toEqual({ status: 'exited', code: 3 });
  await adopted[Symbol.asyncDispose]();
});

it('ends the container of a requeue job when there is no sign of an agent, and not while there is', async () => {
  await using worker = await Worker.open();
  const box = await worker.box({ onLost: 'requeue', lostAfterMs: 6_000 });
  // Longer than it would live without a sign; a step before it must not take the watcher along.
  expect((await box.sh('exit 0')).exit).toMatchObject({ code: 0 });
  expect((await box.sh('sleep 8; echo lives')).text).toBe('lives\n');
  const step = box.start('echo ready; sleep 600');
  await step.printed('ready');
  await box.sandbox.detach?.();
  await Promise.allSettled([step.exit]);
  const { client, ids } = await containersOf(worker.host.ownerId);
  expect(ids).toHaveLength(1);
  await client.waitForExit(ids[0] ?? '', 'started', AbortSignal.timeout(60_000));
  await worker.reopen();
  await expect(worker.recover(box.record)).rejects.toThrow('the sandbox is gone');
  const swept = await worker.executor.sweep(new Set(), AbortSignal.timeout(60_000));
  expect(swept.failed).toEqual([]);
});

it('ends a container at its deadline when no agent takes it up', async () => {
  await using worker = await Worker.open();
  const box = await worker.box({ deadlineMs: 14_000 });
  const step = box.start('echo ready; sleep 600');
  await step.printed('ready');
  await box.sandbox.detach?.();
  await Promise.allSettled([step.exit]);
  const { client, ids } = await containersOf(worker.host.ownerId);
  await client.waitForExit(ids[0] ?? '', 'started', AbortSignal.timeout(60_000));
  await worker.reopen();
  await worker.executor.sweep(new Set(), AbortSignal.timeout(60_000));
});

it('finds and removes strays of its own installation while it runs, and leaves open sandboxes alone', async () => {
  await using worker = await Worker.open({ sweepMs: 300 });
  await using box = await worker.box();
  const { client } = await findDaemon(undefined);
  const labels = { 'dev.ritmo.owner': worker.host.ownerId, 'dev.ritmo.sandbox': 'stray-1' };
  const spec = { Image: 'ritmo-test/busybox:1', Cmd: ['/bin/sleep', '600'], Labels: labels };
  const id = await client.createContainer(spec, AbortSignal.timeout(60_000));
  await client.startContainer(id);
  // Kept at the start, and taken up by nobody.
  await worker.executor.sweep(new Set([box.sandbox.id, 'stray-1']), AbortSignal.timeout(60_000));
  while ((await client.inspectContainer(id)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await box.sh('echo lives')).text).toBe('lives\n');
});

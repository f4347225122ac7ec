import { beforeAll, expect, it } from 'vitest';
import { Worker } from './support/host.js';
import { makeBusyboxImage } from './support/images.js';

beforeAll(() => makeBusyboxImage());

it('leaves a step that runs to the next agent, which loses nothing of it', async () => {
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

import { findByEnvironment } from '@ritmo/host-linux';
import { expect, it } from 'vitest';
import { footprint } from '../../../tests/support/footprint.js';
import { sh, Workbench } from './support/bench.js';

const all = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 100, maxBytes: 2 ** 20 };
const never = new AbortController().signal;

async function job(bench: Workbench, network: 'none' | 'isolated'): Promise<void> {
  const box = await bench.sandbox({ network, slot: 0 });
  expect((await sh(box, 'echo text > file; cat file')).stdout).toBe('text\n');
  for await (const entry of box.collect(all, never)) expect(entry.path).toBe('file');
  await box[Symbol.asyncDispose]();
}

it('jobs in a row leave no process, file, mount or descriptor behind', async () => {
  const idle = footprint([]).processes;
  await using bench = await Workbench.open();
  // What is made once, by whichever test is the first: template and root filesystem.
  await job(bench, 'none');
  const ours = [bench.root];
  const before = footprint(ours);
  for (let i = 0; i < 6; i++) await job(bench, 'none');
  expect(footprint(ours)).toEqual(before);
  expect(findByEnvironment(`RITMO_VM=${bench.host.ownerId}/`)).toEqual([]);
  // Networks are made ready for the next job of a user, and go with the executor.
  await job(bench, 'isolated');
  await bench.executor[Symbol.asyncDispose]();
  expect(footprint([]).processes).toBe(idle);
});

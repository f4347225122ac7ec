import { execFileSync } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readyWorker, startServer } from '../support/cluster.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, namesIn } from '../support/witness.js';

it('a log that fills the disk ends with a note and its job as errored; the agent goes on once there is room', async () => {
  const folder = await temporaryFolder('ritmo-state');
  await chmod(folder, 0o711);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0711', 'ritmo-test', folder]);
  onTestFinished(async () => {
    for (const point of (await mountsBelow(folder)).toReversed()) execFileSync('umount', [point]);
  });
  const server = await startServer();
  const flags = ['--name', 'full', '--min-free-disk', '0'];
  const worker = await readyWorker(server, { stateDir: join(folder, 'agent'), flags });
  const id = await server.submit({
    name: 'endless',
    steps: [{ name: 'Print', run: 'yes "a line that takes room on the disk of the worker"' }],
  });
  expect(await server.ended(id)).toMatchObject({ state: 'errored', failure: { code: 'RITMO_DISK_FULL' } });
  const { attempts } = await server.job(id);
  expect(attempts).toMatchObject([{ log: { sealed: true } }]);
  const notes = await server.notes(id);
  expect(notes.join('\n')).toMatch(/ of output are missing here: The log cannot be written: the disk is full\./);
  expect(notes.at(-1)).toMatch(/^errored: .*RITMO_DISK_FULL/);
  // Every line of the log that is there is whole.
  const printed = (await server.output(id)).split('\n');
  expect(new Set(printed.slice(0, -1))).toEqual(new Set(['a line that takes room on the disk of the worker']));
  const next = await server.submit({ name: 'after', steps: [{ run: 'echo room again' }] });
  expect((await server.ended(next)).state).toBe('succeeded');
  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
  for (const name of ['journal', 'spool']) expect(await namesIn(join(folder, 'agent', name))).toEqual([]);
});

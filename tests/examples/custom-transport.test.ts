import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { watch } from 'node:fs';
import { join } from 'node:path';
import type { JobResult } from '@ritmo/protocol';
import { LogLineSplitter } from '@ritmo/protocol';
import { expect, it, onTestFinished } from 'vitest';
import { stateFolder } from '../support/cluster.js';
import { root } from '../support/workspace.js';
import { runExample, startExample } from './run.js';

async function spool() {
  const folder = await stateFolder();
  await mkdir(join(folder, 'inbox'), { recursive: true });
  const drop = async (id: string, text: string) => {
    await writeFile(join(folder, `${id}.new`), text);
    await rename(join(folder, `${id}.new`), join(folder, 'inbox', `${id}.yaml`));
  };
  const read = (id: string, name: string) => readFile(join(folder, 'jobs', id, name));
  const output = async (id: string) =>
    new LogLineSplitter()
      .push(await read(id, 'log.ndjson'))
      .map((record) => (record.k === 'out' ? record.m : ''))
      .join('');
  const result = async (id: string) => JSON.parse(String(await read(id, 'result.json'))) as JobResult;
  return { folder, drop, output, result, cancel: (id: string) => writeFile(join(folder, 'jobs', id, 'cancel'), '') };
}

function startWorker(folder: string) {
  const program = startExample('examples/custom-transport/main.ts', [folder]);
  onTestFinished(async () => {
    program.kill('SIGTERM');
    await program.ended;
  });
  return program;
}

/** Resolves once the log of a job holds the text; looks whenever a job comes, and every now and then. */
async function printed(folder: string, id: string, output: (id: string) => Promise<string>, text: string) {
  const watcher = watch(join(folder, 'jobs'));
  try {
    while (!(await output(id).catch(() => '')).includes(text))
      await new Promise((resolve) => {
        watcher.once('change', resolve);
        setTimeout(resolve, 50);
      });
  } finally {
    watcher.close();
  }
}

it('a worker takes jobs from a folder, leaves their logs and results there, and cancels', async () => {
  const { folder, drop, output, result, cancel } = await spool();
  const worker = startWorker(folder);
  await worker.stdout.waitFor(/taking jobs/);

  await drop('good', 'name: good\nsteps:\n  - run: echo from a folder\n');
  await worker.stdout.waitFor(/^good: succeeded$/);

  await drop('wrong', 'name: wrong\nsteps: []\n');
  await drop('endless', 'name: endless\nsteps:\n  - run: echo up; sleep 600\n');
  await printed(folder, 'endless', output, 'up\n');
  await cancel('endless');
  await worker.stdout.waitFor(/^endless: cancelled$/);
  expect((await result('wrong')).failure?.code).toBe('RITMO_JOB_INVALID');

  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
  expect((await result('good')).outcome).toBe('succeeded');
  expect(await output('good')).toBe('from a folder\n');
  expect((await result('endless')).outcome).toBe('cancelled');
  expect(worker.stderr.text).toBe('');
});

it('a job whose worker was killed gets its result from the next one', async () => {
  const { folder, drop, output, result } = await spool();
  const first = startWorker(folder);
  await first.stdout.waitFor(/taking jobs/);
  await drop('cut', 'name: cut\nsteps:\n  - run: echo begun; sleep 600\n');
  await printed(folder, 'cut', output, 'begun\n');
  first.kill('SIGKILL');
  await first.ended;

  const second = startWorker(folder);
  await second.stdout.waitFor(/taking jobs/);
  await drop('next', 'name: next\nsteps:\n  - run: echo next\n');
  await second.stdout.waitFor(/^next: succeeded$/);
  second.kill('SIGTERM');
  expect((await second.ended).exitCode).toBe(0);
  expect(await result('cut')).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
});

it('the transport of the example conforms to the contract, as the kit reports on the command line', async () => {
  const subject = join(root, 'examples', 'custom-transport', 'conformance.ts');
  const { exitCode, stdout, stderr } = await runExample('packages/transport-testkit/src/bin.ts', [subject]);
  expect(stdout + stderr).toMatch(/^folder conforms to transport contract 1 \(register, claim, .*adoption\)$/m);
  expect(exitCode).toBe(0);
});

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';
import { processesWithMarker } from '../support/witness.js';
import { root } from '../support/workspace.js';

const fixtures = join(root, 'tests', 'repo', 'fixtures', 'runs');

/** Runs the script behind `npm test` over one of the small files, and gives its last line and exit code. */
async function testCommand(filter: string, environment: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(root, 'scripts', 'run-tests.mjs'), '--root', fixtures, filter], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [output, problems, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { exitCode, lastLine: output.trimEnd().split('\n').at(-1), problems };
}

it('counts tests that passed, and exits with 0', async () => {
  expect(await testCommand('passing')).toMatchObject({ exitCode: 0, lastLine: '2 passed, 0 failed' });
});

it('counts a failed test, and exits with 1', async () => {
  expect(await testCommand('failing')).toMatchObject({ exitCode: 1, lastLine: '1 passed, 1 failed' });
});

it('counts a file that does not load as failed', async () => {
  expect(await testCommand('broken')).toMatchObject({ exitCode: 1, lastLine: '0 passed, 1 failed' });
});

it('counts an unhandled error as failed though every test passed', async () => {
  expect(await testCommand('unhandled')).toMatchObject({ exitCode: 1, lastLine: '1 passed, 1 failed' });
});

it('fails when no test ran at all', async () => {
  const result = await testCommand('there-is-no-such-file');
  expect(result).toMatchObject({ exitCode: 1, lastLine: '0 passed, 1 failed' });
  expect(result.problems).toContain('no test ran');
});

it('names skipped tests, and lets them pass on a desk', async () => {
  expect(await testCommand('skipping')).toMatchObject({ exitCode: 0, lastLine: '1 passed, 0 failed, 1 skipped' });
});

it('fails on skipped tests where CI is true', async () => {
  const result = await testCommand('skipping', { CI: 'true' });
  expect(result).toMatchObject({ exitCode: 1, lastLine: '1 passed, 0 failed, 1 skipped' });
  expect(result.problems).toContain('skipped');
});

it('ends in a count also when vitest itself is killed', async () => {
  const result = await testCommand('crashing');
  expect(result).toMatchObject({ exitCode: 1, lastLine: '0 passed, 1 failed' });
  expect(result.problems).toContain('without a report');
});

it('counts what tests leave behind as failed, and ends processes that are left', async () => {
  const folder = await temporaryFolder();
  const result = await testCommand('leaking', { TMPDIR: folder });
  expect(result).toMatchObject({ exitCode: 1, lastLine: '1 passed, 1 failed' });
  expect(result.problems).toMatch(/left running: sleep 601/);
  expect(result.problems).toMatch(/left in TMPDIR: forgotten-/);
  expect(await processesWithMarker(folder)).toEqual([]);
});

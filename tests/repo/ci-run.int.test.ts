import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { root } from '../support/workspace.js';

/** Runs `.ci/run` over a repository whose two commands are shell lines; its exit code and last line. */
async function ciRun(scripts: { readonly check: string; readonly test: string }) {
  const folder = await temporaryFolder('ritmo-ci');
  await mkdir(join(folder, '.ci'));
  await copyFile(join(root, '.ci', 'run'), join(folder, '.ci', 'run'));
  await chmod(join(folder, '.ci', 'run'), 0o755);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'ci', private: true, scripts }));
  const { exitCode, stdout } = await runProgram([join(folder, '.ci', 'run')], { cwd: folder });
  return { exitCode, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

const passing = 'echo log; echo "3 passed, 0 failed"';

it('passes where gates and tests pass, and ends in the count', async () => {
  expect(await ciRun({ check: 'true', test: passing })).toEqual({ exitCode: 0, lastLine: '3 passed, 0 failed' });
});

it('fails where a test fails', async () => {
  const test = 'echo "2 passed, 1 failed"; exit 1';
  expect(await ciRun({ check: 'true', test })).toEqual({ exitCode: 1, lastLine: '2 passed, 1 failed' });
});

it('fails where a gate fails though every test passed, and still runs the tests', async () => {
  expect(await ciRun({ check: 'false', test: passing })).toEqual({ exitCode: 1, lastLine: '3 passed, 0 failed' });
});

it('counts one failed where the tests end without a count', async () => {
  expect(await ciRun({ check: 'true', test: 'echo gone' })).toEqual({ exitCode: 1, lastLine: '0 passed, 1 failed' });
});

it('tells both commands that it is CI, and gives them no input', async () => {
  const test = 'test "$CI" = true && ! read -r line && echo "1 passed, 0 failed"';
  expect(await ciRun({ check: 'test "$CI" = true', test })).toEqual({ exitCode: 0, lastLine: '1 passed, 0 failed' });
});

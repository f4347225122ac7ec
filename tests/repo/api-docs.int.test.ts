import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { root } from '../support/workspace.js';

it('typedoc reads the comments of the library without a warning', async () => {
  const docs = join(root, 'docs');
  const typedoc = join(docs, 'node_modules', '.bin', 'typedoc');
  const { exitCode, stdout, stderr } = await runProgram([typedoc, '--emit', 'none'], { cwd: docs });
  expect(exitCode, stdout + stderr).toBe(0);
});

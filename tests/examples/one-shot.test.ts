import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';
import { runExample } from './run.js';

it('a script runs one job with `runUntil`, keeps its artifact and ends', async () => {
  const folder = await temporaryFolder();
  const { exitCode, stdout, stderr } = await runExample('examples/one-shot/main.ts', [], { cwd: folder });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^built at \d{4}-\d\d-\d\d\nsucceeded\n$/);
  expect(exitCode).toBe(0);
  const [jobId = ''] = await readdir(join(folder, 'artifacts'));
  expect(await readFile(join(folder, 'artifacts', jobId, 'report', 'report.txt'), 'utf8')).toMatch(/^built at /);
});

import { chmod, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, processesWithMarker } from '../support/witness.js';
import { root } from '../support/workspace.js';

it('the demonstration of `npm start` builds this repository, says where everything lies and leaves nothing running', {
  timeout: 600_000,
}, async () => {
  const folder = await temporaryFolder('ritmo-start');
  await chmod(folder, 0o711);
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const main = join(root, 'examples', 'demo', 'main.ts');
  const end = await runProgram([process.execPath, '--import', tsx, '--conditions=@ritmo/source', main], {
    cwd: root,
    env: { TMPDIR: folder },
  });
  expect(end.exitCode, end.stdout + end.stderr).toBe(0);
  expect(end.stdout).toMatch(/Tests.* passed/);
  expect(end.stdout).toMatch(/^succeeded in /m);
  const [demo = ''] = (await readdir(folder)).filter((name) => name.startsWith('ritmo-demo-'));
  for (const part of ['server', 'worker', 'job.yaml']) expect(end.stdout).toContain(join(folder, demo, part));
  expect(await processesWithMarker(folder)).toEqual([]);
  expect(await mountsBelow(folder)).toEqual([]);
});

it('the demonstration names an option that it does not know', async () => {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const main = join(root, 'examples', 'demo', 'main.ts');
  const end = await runProgram([process.execPath, '--import', tsx, '--conditions=@ritmo/source', main, '--sevre'], {
    cwd: root,
  });
  expect(end.exitCode).toBe(2);
  expect(end.stderr).toContain('There is no option --sevre');
});

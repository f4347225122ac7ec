import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { packages, readManifest, root } from '../support/workspace.js';

it('a changeset of one package gives all of them the next version, wherever it is written', async () => {
  const copy = await temporaryFolder();
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  }).split('\0');
  const needed = files.filter((file) =>
    /^(package\.json|pnpm-workspace\.yaml|\.changeset\/|scripts\/|packages\/[^/]+\/(package\.json|src\/(version|plugin)\.ts)|(examples\/[^/]+|docs)\/package\.json)/.test(
      file,
    ),
  );
  for (const file of needed) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await cp(join(root, file), join(copy, file));
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await writeFile(join(copy, '.changeset', 'something.md'), "---\n'@ritmo/protocol': minor\n---\n\nSomething new.\n");
  const end = await runProgram([process.execPath, 'scripts/release-version.mjs'], { cwd: copy });
  expect(end.exitCode, end.stdout + end.stderr).toBe(0);

  const before = readManifest(root).version;
  const next = before.replace(
    /^(\d+)\.(\d+)\..*$/,
    (_, major: string, minor: string) => `${major}.${Number(minor) + 1}.0`,
  );
  expect(readManifest(copy).version).toBe(next);
  for (const { folder, manifest } of packages()) {
    const inCopy = join(copy, folder.slice(root.length));
    expect(readManifest(inCopy).version, manifest.name).toBe(next);
    const changes = await readFile(join(inCopy, 'CHANGELOG.md'), 'utf8');
    expect(changes, manifest.name).toContain(`\n## ${next}\n`);
    for (const name of ['version.ts', 'plugin.ts']) {
      const text = await readFile(join(inCopy, 'src', name), 'utf8').catch(() => '');
      expect(text, `${manifest.name} ${name}`).not.toContain(`'${before}'`);
    }
  }
  expect(await readFile(join(copy, 'packages', 'protocol', 'CHANGELOG.md'), 'utf8')).toContain('Something new.');
});

import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runAgent } from '../support/agent.js';
import { stateFolder } from '../support/cluster.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, processesWithMarker } from '../support/witness.js';
import { root } from '../support/workspace.js';
import { runExample } from './run.js';

const plugin = join(root, 'examples', 'custom-executor');

/** A root file system of one program: busybox, and its names. */
async function busyboxRootfs(): Promise<string> {
  const folder = await temporaryFolder('ritmo-rootfs');
  await mkdir(join(folder, 'bin'));
  await cp('/bin/busybox', join(folder, 'bin', 'busybox'));
  const names = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n');
  for (const name of names.filter((one) => one !== '' && one !== 'busybox'))
    await symlink('busybox', join(folder, 'bin', name));
  await chmod(folder, 0o755);
  return folder;
}

/** A folder of somebody who has installed the plugin. */
async function installedPlugin(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'package.json'), '{"private": true}\n');
  await mkdir(join(folder, 'node_modules'));
  await symlink(plugin, join(folder, 'node_modules', 'ritmo-executor-rootfs'));
  return folder;
}

const isolation = '--isolation=ritmo-executor-rootfs';
const optionsFlag = (options: object) => ['--executor-options', `rootfs=${JSON.stringify(options)}`];

it('the executor of the example conforms to the contract, as the kit reports on the command line', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'options.json'), JSON.stringify({ rootfs: await busyboxRootfs() }));
  const { exitCode, stdout, stderr } = await runExample(
    'packages/executor-testkit/src/bin.ts',
    [
      ...[join(plugin, 'src', 'index.ts'), '--options', join(folder, 'options.json')],
      ...['--witness', join(plugin, 'witness.mjs'), '--junit', join(folder, 'report.xml')],
    ],
    { cwd: folder },
  );
  expect(stdout + stderr).toMatch(/^rootfs 0\.1\.0 conforms to contract 1 \(identity, probe, .*hostile\)$/m);
  expect(stdout).toMatch(/, 0 fail,/);
  expect(exitCode).toBe(0);
  expect(await readFile(join(folder, 'report.xml'), 'utf8')).toContain('<testsuite');
});

it('a job runs in the root file system of the operator, by the name of the package', async () => {
  const [cwd, rootfs, stateDir] = [await installedPlugin(), await busyboxRootfs(), await stateFolder()];
  await writeFile(
    join(cwd, 'job.yaml'),
    'name: inside\nsteps:\n  - run: ls /; echo "made $(busybox | head -1 | cut -d" " -f1)" > made.txt\nartifacts:\n  - { name: made, paths: [made.txt] }\n',
  );
  const args = ['exec', 'job.yaml', isolation, ...optionsFlag({ rootfs }), '--state-dir', stateDir];
  const { exitCode, stdout, stderr } = await runAgent(args, { cwd });
  expect(exitCode, stdout + stderr).toBe(0);
  expect(stdout).toContain(`rootfs sandbox: ${rootfs}, network none`);
  expect(stdout.split('\n')).toEqual(expect.arrayContaining(['bin', 'dev', 'proc', 'workspace']));
  expect(stdout).not.toContain('usr');
  expect(await processesWithMarker(stateDir)).toEqual([]);
  expect(await mountsBelow(stateDir)).toEqual([]);
});

it('wrong options, a folder that is no root file system and another contract are refused with what to do', async () => {
  const cwd = await installedPlugin();
  await writeFile(join(cwd, 'job.yaml'), 'name: inside\nsteps:\n  - run: "true"\n');
  const run = async (...args: readonly string[]) =>
    runAgent(['exec', 'job.yaml', ...args, '--state-dir', await stateFolder()], { cwd });

  const wrong = await run(isolation, ...optionsFlag({ rootfs: 'relative', udi: 3 }));
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain('rootfs: must be an absolute path');
  expect(wrong.stderr).toContain('udi');

  const empty = await run(isolation, ...optionsFlag({ rootfs: cwd }));
  expect(empty.exitCode).toBe(69);
  expect(empty.stderr).toContain(`${cwd} is no root file system: it has no bin/sh.`);
  expect(empty.stderr).toContain('debootstrap');

  const other = join(cwd, 'node_modules', 'from-tomorrow');
  await mkdir(other);
  await writeFile(join(other, 'package.json'), '{"name": "from-tomorrow", "type": "module", "exports": "./index.js"}');
  await writeFile(join(other, 'index.js'), "export default { kind: 'ritmo.executor', name: 'x', contract: 2 };\n");
  const tomorrow = await run('--isolation=from-tomorrow');
  expect(tomorrow.exitCode).toBe(69);
  expect(tomorrow.stderr).toContain('from-tomorrow was written for contract 2; this agent serves 1.');
});

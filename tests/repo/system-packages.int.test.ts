import { chmod, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { root } from '../support/workspace.js';

const module = pathToFileURL(join(root, 'scripts', 'lib', 'system-packages.mjs')).href;

const { programs } = (await import(module)) as { programs: ReadonlyArray<{ readonly binary: string }> };
const all = programs.map(({ binary }) => binary);
const allBut = (...missing: string[]) => all.filter((binary) => !missing.includes(binary));

interface Machine {
  readonly platform?: string;
  readonly uid?: number;
  readonly release?: string;
  readonly mayChange?: boolean;
  /** Body of the apt-get that stands in for the real one; it may make programs in `$BIN`. */
  readonly apt?: string;
}

/** Runs the set-up of system packages on a machine that has only what `programs` names. */
async function setUp(programs: readonly string[], machine: Machine = {}) {
  const bin = await temporaryFolder('ritmo-setup');
  for (const name of programs) await program(join(bin, name), 'exit 0');
  for (const name of ['sh', 'ln', 'cat']) await symlink(`/bin/${name}`, join(bin, name));
  const { apt = 'for word; do [ "$word" = bubblewrap ] && ln -s "$BIN/git" "$BIN/bwrap"; done; exit 0', ...rest } =
    machine;
  await program(join(bin, 'apt-get'), `echo "$*" >>"$BIN/calls"\n${apt}`);
  const host = { platform: 'linux', uid: 0, release: 'ID=debian\n', folders: [bin], mayChange: true, ...rest };
  const script = `import { installSystemPackages } from ${JSON.stringify(module)}; await installSystemPackages(${JSON.stringify(host)});`;
  const result = await runProgram([process.execPath, '--input-type=module', '--eval', script], {
    env: { PATH: bin, BIN: bin },
  });
  const calls = await readFile(join(bin, 'calls'), 'utf8').catch(() => '');
  return { exitCode: result.exitCode, said: result.stderr, calls: calls.split('\n').filter((line) => line !== '') };
}

async function program(file: string, body: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
}

it('touches nothing where everything is there', async () => {
  expect(await setUp(all)).toEqual({ exitCode: 0, said: '', calls: [] });
});

it('installs as root on Debian what is missing, and nothing else', async () => {
  const { exitCode, said, calls } = await setUp(allBut('bwrap'));
  expect(exitCode).toBe(0);
  expect(calls).toEqual([
    '-q -o DPkg::Lock::Timeout=180 update',
    '-q -o DPkg::Lock::Timeout=180 install -y --no-install-recommends bubblewrap',
  ]);
  expect(said).toBe('ritmo: installing system packages: bubblewrap\n');
});

it('waits while another apt-get holds the lock', async () => {
  const apt = `
    if ! [ -L "$BIN/freed" ]; then echo "E: Could not get lock /var/lib/apt/lists/lock" >&2; ln -s x "$BIN/freed"; exit 100; fi
    for word; do [ "$word" = bubblewrap ] && ln -s "$BIN/git" "$BIN/bwrap"; done; exit 0`;
  const { said, calls } = await setUp(allBut('bwrap'), { apt });
  expect(said).toContain('another apt-get is at work');
  expect(said).not.toContain('is missing');
  expect(calls.filter((call) => call.endsWith('update'))).toHaveLength(2);
});

it('says what to install where it is not root, and changes nothing', async () => {
  const { exitCode, said, calls } = await setUp(allBut('bwrap'), { uid: 1000 });
  expect({ exitCode, calls }).toEqual({ exitCode: 0, calls: [] });
  expect(said).toContain('bwrap is missing');
  expect(said).toContain('sudo apt-get install -y bubblewrap');
});

it('says what to install where it was told to leave the machine as it is', async () => {
  const { said, calls } = await setUp(allBut('bwrap'), { mayChange: false });
  expect(calls).toEqual([]);
  expect(said).toContain('bwrap is missing');
});

it('names the package, and no command of Debian, on other systems', async () => {
  const { said, calls } = await setUp(allBut('bwrap'), { release: 'ID=alpine\n' });
  expect(calls).toEqual([]);
  expect(said).toContain('install the package bubblewrap\n');
});

it('shows the words of apt-get and what is still missing when it fails', async () => {
  const { exitCode, said } = await setUp(allBut('bwrap'), {
    apt: 'echo "E: Unable to locate package" >&2; exit 100',
  });
  expect(exitCode).toBe(0);
  expect(said).toContain('Unable to locate package');
  expect(said).toContain('bwrap is missing');
});

it('says on macOS that only the bare level works', async () => {
  const { said, calls } = await setUp([], { platform: 'darwin' });
  expect(calls).toEqual([]);
  expect(said).toContain('only the bare level works');
});

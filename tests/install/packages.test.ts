import { execa } from 'execa';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { packages } from '../support/workspace.js';
import { bytesBelow, loadEntries, typeProblems } from './checks.js';
import { entries, environment, install, type PackageManager, runBin, runBinUntil } from './consumer.js';
import { isAvailable, nodeFolder, type NodeLine } from './nodes.js';
import { publishedPackages, type Registry } from './registry.js';

/** Every package manager and every line of Node once; `npm run install:matrix` tries each with each. */
const pairs: ReadonlyArray<readonly [PackageManager, NodeLine]> = [
  ['npm', '20'],
  ['pnpm', '22'],
  ['yarn', '24'],
];
const megabyte = 1_000_000;

// Installing takes minutes on a busy machine.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let folder = '';
let registry: Registry | undefined;
const url = () => registry?.url ?? '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-install-'));
  // Builds run as users of their own, who walk through to their workspace.
  await chmod(folder, 0o711);
  registry = await publishedPackages(folder);
});

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe.each(pairs.filter(([, line]) => isAvailable(line)))(
  'packages that were installed with %s, on Node %s',
  (manager, line) => {
    it('can be imported and required, their types resolve and their programs run', async () => {
      const consumer = await install(join(folder, `${manager}-${line}`), manager, await nodeFolder(line), url());
      const { imported, required } = await loadEntries(consumer, manager);
      expect(Object.keys(imported)).toEqual(entries);
      for (const name of entries) {
        expect(imported[name], name).not.toEqual([]);
        // Both ways lead to the same module.
        expect(required[name]?.filter((key) => key !== '__esModule').toSorted(), name).toEqual(
          imported[name]?.toSorted(),
        );
      }
      // Plug'n'Play has no folders that a compiler of its own could read.
      if (manager !== 'yarn') {
        expect(await typeProblems(consumer, 'nodenext')).toEqual([]);
        expect(await typeProblems(consumer, 'bundler')).toEqual([]);
      }
      expect(await runBin(consumer, manager, 'ritmo-agent', '--version')).toMatch(/^\d+\.\d+\.\d+/);
      expect(await runBin(consumer, manager, 'ritmo-executor-testkit', '--help')).toContain('Checks an executor');
      expect(await runBin(consumer, manager, 'ritmo-transport-testkit', '--help')).toContain('Checks a transport');
      const server = ['api-server', '--data-dir', 'data', '--port', '0'];
      await runBinUntil(consumer, manager, /the API server listens on/, 'ritmo-agent', ...server);
    });
  },
);

it('`npx @ritmo/agent-cli exec` runs a job in an empty folder, with less than 36 MB, without server or AWS SDK', async () => {
  const empty = join(folder, 'empty');
  await mkdir(empty);
  await writeFile(join(empty, 'job.yaml'), 'name: hello\nsteps:\n  - run: echo "hello from $RITMO_JOB_NAME"\n');
  const env = environment(empty, dirname(process.execPath), url());
  const { stdout } = await execa(
    'npx',
    ['--yes', '@ritmo/agent-cli', 'exec', 'job.yaml', '--isolation=process', '--state-dir', join(empty, 'state')],
    { cwd: empty, env, extendEnv: false },
  );
  expect(stdout).toContain('hello from hello');
  expect(stdout).toMatch(/^succeeded in /m);

  // The server is for those who install it.
  await expect(
    execa('npx', ['--yes', '@ritmo/agent-cli', 'api-server'], { cwd: empty, env, extendEnv: false }),
  ).rejects.toMatchObject({ stderr: expect.stringContaining('npm install @ritmo/api-server') });

  // What npx has installed is the program with all that it needs, and no more.
  const [install = ''] = await readdir(join(empty, '.npm-cache', '_npx'));
  const modules = join(empty, '.npm-cache', '_npx', install, 'node_modules');
  const installed = await readdir(modules);
  expect(installed).not.toContain('@aws-sdk');
  expect(installed).not.toContain('@libsql');
  // zod and undici are 10 MB of it, gRPC and ssh of the Docker client 8.
  expect(bytesBelow(modules) / megabyte).toBeLessThan(36);
});

it('the library with all that it needs weighs less than 16 MB, and its errors have their name', async () => {
  const consumer = await install(join(folder, 'library'), 'npm', dirname(process.execPath), url(), [
    '@ritmo/agent-core',
  ]);
  // zod and undici are 8 MB of it.
  expect(bytesBelow(join(consumer.folder, 'node_modules')) / megabyte).toBeLessThan(16);
  // What a program shows of an error that it does not catch.
  const wrong = "new (require('@ritmo/agent-core').RitmoError)('RITMO_USAGE', 'That is wrong.')";
  const shown = await consumer.run('node', '-p', `require('node:util').inspect(${wrong})`);
  expect(shown).toMatch(/^RitmoError: That is wrong\./);
});

it('covers every package of the repository', () => {
  const covered = new Set(entries.map((name) => name.split('/').slice(0, 2).join('/')));
  expect(packages().filter(({ manifest }) => !covered.has(manifest.name))).toEqual([]);
});

import { execa } from 'execa';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { packages, root } from '../support/workspace.js';

export const packageManagers = ['npm', 'pnpm', 'yarn'] as const;
export type PackageManager = (typeof packageManagers)[number];

/** An empty folder in which somebody installs packages of ours. */
export interface Consumer {
  readonly folder: string;
  /** Runs a program in that folder with the Node and the package manager of the consumer. */
  run(file: string, ...args: readonly string[]): Promise<string>;
  /** As `run`, and tells it to stop once a line of its output shows `wanted`. Rejects where none did, with the output. */
  runUntil(wanted: RegExp, file: string, ...args: readonly string[]): Promise<void>;
}

/** What a program may import of our packages, as it is written there. */
export const entries: readonly string[] = packages().flatMap(({ manifest }) =>
  Object.entries(manifest.publishConfig?.exports ?? {}).flatMap(([path, target]) =>
    typeof target === 'string' ? [] : [join(manifest.name, path)],
  ),
);

/** What some entries expect their user to have, beside what npm installs by itself. */
const broughtAlong: Readonly<Record<string, string>> = { vitest: '4.1.12' };
const yarnProgram = join(root, 'node_modules', '@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
const pnpmProgram = join(root, 'node_modules', 'pnpm', 'bin', 'pnpm.cjs');

/** Makes a project in `folder` that depends on `names` (all of ours by default), and installs it. */
export async function install(
  folder: string,
  manager: PackageManager,
  nodeBin: string,
  registry: string,
  names: readonly string[] = packages().map(({ manifest }) => manifest.name),
): Promise<Consumer> {
  await mkdir(folder, { recursive: true });
  const all = names.length > 1;
  const dependencies = Object.fromEntries(names.map((name) => [name, versionOf(name)]));
  const manifest = {
    name: 'consumer',
    private: true,
    dependencies: { ...dependencies, ...(all ? broughtAlong : {}) },
    ...(all ? { devDependencies: { '@types/node': '20.19.43' } } : {}),
    // Of Yarn. Later ones name an optional package that not every registry has, which Yarn alone minds.
    resolutions: { vite: '8.3.8' },
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  // Keeps each manager from looking for a workspace further up.
  await writeFile(join(folder, 'pnpm-workspace.yaml'), 'packages: []\n');
  await writeFile(join(folder, 'yarn.lock'), '');
  await writeFile(join(folder, '.yarnrc.yml'), yarnSettings(registry));
  const env = environment(folder, nodeBin, registry);
  const run: Consumer['run'] = async (file, ...args) => {
    const { stdout } = await execa(file, args, { cwd: folder, env, extendEnv: false });
    return stdout;
  };
  const runUntil: Consumer['runUntil'] = async (wanted, file, ...args) => {
    // A group of its own, which is told as a whole: not every manager hands a signal on.
    const program = execa(file, args, { cwd: folder, env, extendEnv: false, all: true, detached: true, reject: false });
    const lines: string[] = [];
    for await (const line of program.iterable({ from: 'all' })) {
      lines.push(line);
      if (wanted.test(line) && program.pid !== undefined) process.kill(-program.pid, 'SIGTERM');
    }
    await program;
    if (!lines.some((line) => wanted.test(line))) throw new Error(`${wanted} was never shown:\n${lines.join('\n')}`);
  };
  const commands: Readonly<Record<PackageManager, readonly [string, ...string[]]>> = {
    npm: ['npm', 'install', '--no-audit', '--no-fund', '--strict-peer-deps'],
    pnpm: [
      'node',
      pnpmProgram,
      'install',
      '--no-frozen-lockfile',
      '--strict-peer-dependencies',
      '--store-dir',
      '.pnpm-store',
    ],
    yarn: ['node', yarnProgram, 'install'],
  };
  await run(...commands[manager]);
  return { folder, run, runUntil };
}

/** Runs a script of the consumer as its package manager does; with yarn under Plug'n'Play, which refuses what is not declared. */
export function runNode(consumer: Consumer, manager: PackageManager, ...args: readonly string[]): Promise<string> {
  return manager === 'yarn' ? consumer.run('node', yarnProgram, 'node', ...args) : consumer.run('node', ...args);
}

/** Runs a program that a dependency brings. */
export function runBin(consumer: Consumer, manager: PackageManager, ...args: readonly string[]): Promise<string> {
  return consumer.run(...binCommand(manager, args));
}

/** As `runBin`, and tells it to stop once a line of its output shows `wanted`. */
export function runBinUntil(
  consumer: Consumer,
  manager: PackageManager,
  wanted: RegExp,
  ...args: readonly string[]
): Promise<void> {
  return consumer.runUntil(wanted, ...binCommand(manager, args));
}

function binCommand(manager: PackageManager, args: readonly string[]): readonly [string, ...string[]] {
  const by: Readonly<Record<PackageManager, readonly [string, ...string[]]>> = {
    npm: ['npm', 'exec', '--no', '--'],
    pnpm: ['node', pnpmProgram, 'exec'],
    yarn: ['node', yarnProgram, 'run'],
  };
  return [...by[manager], ...args];
}

const versionOf = (name: string): string =>
  packages().find(({ manifest }) => manifest.name === name)?.manifest.version ?? 'latest';

/** All of it: nothing of this repository's own settings reaches the consumer. */
export function environment(folder: string, nodeBin: string, registry: string): Record<string, string> {
  return {
    PATH: [nodeBin, process.env['PATH'] ?? ''].join(delimiter),
    HOME: folder,
    // Some managers leave files there.
    TMPDIR: folder,
    npm_config_registry: registry,
    npm_config_cache: join(folder, '.npm-cache'),
    npm_config_update_notifier: 'false',
    npm_config_userconfig: join(folder, '.npmrc'),
  };
}

function yarnSettings(registry: string): string {
  return [
    `npmRegistryServer: ${JSON.stringify(registry)}`,
    'unsafeHttpWhitelist: ["127.0.0.1"]',
    'enableGlobalCache: false',
    'enableImmutableInstalls: false',
    'enableTelemetry: false',
    // Ours were published a moment ago.
    'npmMinimalAgeGate: 0',
    '',
  ].join('\n');
}

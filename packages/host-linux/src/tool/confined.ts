import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Owner } from '../files/write-tree.js';
import { killConfined } from './kill.js';
import { withoutSync } from './without-sync.js';

/** A program of this host that is to see the host's programs and what it is shown, and nothing else. */
export interface ConfinedProgram {
  readonly bubblewrap: string;
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Who it is on this host; the agent's user where absent. */
  readonly user: Owner | undefined;
  /** Who it is inside, and so the owner of all that it makes: as a disk that it writes shall say. */
  readonly inside: Owner;
  readonly cwd: string;
  readonly binds: ReadonlyArray<{ readonly source: string; readonly target: string; readonly writable: boolean }>;
  readonly capabilities?: readonly string[];
  /** argv that enters a network; there is none where absent. */
  readonly enterNetwork?: readonly string[] | undefined;
  /** `NAME=value` in the environment of all its processes: how strays are found. */
  readonly mark: string;
  readonly stdin?: 'pipe';
  /** What it writes is of no use after a crash of this host: it need not wait until disks have it. */
  readonly unsynced?: boolean;
}

const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store'];
const etcFiles = [
  'alternatives',
  'ca-certificates',
  'ld.so.cache',
  'localtime',
  'nsswitch.conf',
  'pki',
  'ssl/certs',
].map((name) => `/etc/${name}`);

/** Starts the program in namespaces of its own; it dies with the agent. Descriptors 1 and 2 are pipes, 4 its status. */
export function startConfined(program: ConfinedProgram): ChildProcess {
  const { bubblewrap, user, inside, mark } = program;
  const at = mark.indexOf('=');
  const filter = program.unsynced === true ? withoutSync(process.arch) : undefined;
  const args = [
    ...[
      '--unshare-user',
      '--disable-userns',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      '--unshare-cgroup-try',
    ],
    ...['--hostname', 'build', '--new-session', '--die-with-parent', '--cap-drop', 'ALL', '--clearenv'],
    ...(program.capabilities ?? []).flatMap((name) => ['--cap-add', name]),
    ...(program.enterNetwork === undefined ? ['--unshare-net'] : []),
    ...['--uid', String(inside.uid), '--gid', String(inside.gid)],
    ...systemFolders
      .filter(existsSync)
      .flatMap((path) =>
        lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path],
      ),
    ...etcFiles.flatMap((path) => ['--ro-bind-try', path, path]),
    ...[
      '--proc',
      '/proc',
      '--dev',
      '/dev',
      '--tmpfs',
      '/tmp',
      '--dir',
      '/home/build',
      '--symlink',
      '../tmp',
      '/var/tmp',
    ],
    ...program.binds.flatMap(({ source, target, writable }) => [writable ? '--bind' : '--ro-bind', source, target]),
    ...Object.entries({ ...program.env, [mark.slice(0, at)]: mark.slice(at + 1) }).flatMap(([name, value]) => [
      ...['--setenv', name, value],
    ]),
    ...(filter === undefined ? [] : ['--seccomp', '5']),
    ...['--chdir', program.cwd],
  ];
  const argv = [...(program.enterNetwork ?? []), bubblewrap, '--args', '3', '--json-status-fd', '4', '--'];
  const child = spawn(argv[0] ?? bubblewrap, [...argv.slice(1), ...program.argv], {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', [mark.slice(0, at)]: mark.slice(at + 1) },
    detached: true,
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    stdio: [program.stdin ?? 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', filter === undefined ? 'ignore' : 'pipe'],
  });
  child.on('error', () => undefined);
  // Through a descriptor: anybody on the host can read a command line.
  hand(child, 3, args.map((arg) => `${arg}\0`).join(''));
  if (filter !== undefined) hand(child, 5, filter);
  return child;
}

function hand(child: ChildProcess, descriptor: 3 | 5, data: string | Buffer): void {
  const input = (child.stdio as ReadonlyArray<ChildProcess['stdio'][number]>)[descriptor];
  input?.on('error', () => undefined);
  if (input !== null && input !== undefined && 'end' in input) input.end(data);
}

/** Runs one to its end; rejects with what it said. */
export async function runConfined(program: ConfinedProgram, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const child = startConfined(program);
  let output = '';
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (output = `${output}${chunk.toString('latin1')}`.slice(0, 1024 * 1024)));
  child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2_000)));
  (child.stdio[4] as Readable | null)?.resume();
  const stop = () => killConfined(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${program.argv[0]}: ${said.trim() || `it ended with code ${code}`}`);
    return output;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

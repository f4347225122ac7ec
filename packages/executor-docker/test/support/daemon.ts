import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DaemonNetwork, type NetworkKind, openNetwork } from './daemon-network.js';

const startMs = 60_000;
const stopMs = 30_000;

/** A Docker daemon of the tests' own. */
export interface TestDaemon extends AsyncDisposable {
  readonly socket: string;
  /** Path of its network namespace; undefined where that is the host's. */
  readonly namespace: string | undefined;
  /** Ends the daemon at once; its containers go with `[Symbol.asyncDispose]`. */
  kill(): Promise<void>;
  /** Starts it again over the same folders; resolves once it answers. */
  restart(): Promise<void>;
}

/** Where dockerd is, when it can be started here. */
export function findDockerd(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  return ['/usr/bin/dockerd', '/usr/sbin/dockerd'].find(existsSync);
}

/** A daemon prints the stacks of a containerd that answers late (a busy machine) into the folder for temporary files. */
export function daemonEnvironment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, TMPDIR: folder, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

/** Starts a daemon with folders of its own; disposing it removes them. */
export async function startDaemon(dockerd: string, kind: NetworkKind = 'own'): Promise<TestDaemon> {
  const folder = await mkdtemp(join(tmpdir(), 'dockerd-'));
  // Who may use the socket may come to it.
  await chmod(folder, 0o711);
  const socket = join(folder, 'docker.sock');
  const network = openNetwork(kind, `testd${randomBytes(5).toString('hex')}`);
  let daemon = start(dockerd, folder, socket, network);
  const ready = async () => {
    try {
      await untilItAnswers(daemon, socket);
    } catch (error) {
      await stop(daemon, folder, network);
      throw error;
    }
  };
  await ready();
  return {
    socket,
    namespace: network.namespace,
    kill: () => end(daemon, 'SIGKILL'),
    restart: async () => {
      // What a daemon that was killed left behind is in the way of the next; the shims keep the containers.
      for (const pid of processesOf(folder, '/containerd.toml')) kill(pid);
      const stale = ['docker.sock', 'pid', 'exec/containerd/containerd.pid'];
      for (const name of stale) await rm(join(folder, name), { force: true });
      daemon = start(dockerd, folder, socket, network);
      await ready();
    },
    [Symbol.asyncDispose]: () => stop(daemon, folder, network),
  };
}

async function untilItAnswers(daemon: ChildProcess, socket: string): Promise<void> {
  const log: string[] = [];
  daemon.stderr?.on('data', (chunk: Buffer) => void log.push(chunk.toString()));
  const until = Date.now() + startMs;
  while (!(await answersCalls(socket))) {
    if (daemon.exitCode !== null || Date.now() > until) {
      throw new Error(`dockerd did not start: ${log.join('').slice(-2_000)}`);
    }
    await sleep(50);
  }
}

function start(dockerd: string, folder: string, socket: string, network: DaemonNetwork): ChildProcess {
  const args = [
    ...['--host', `unix://${socket}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'pid'), '--log-level', 'warn', ...network.options],
  ];
  const [program, ...all] = [...network.enter, dockerd, ...args] as [string, ...string[]];
  return spawn(program, all, { stdio: ['ignore', 'ignore', 'pipe'], env: daemonEnvironment(folder) });
}

async function end(daemon: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = once(daemon, 'exit');
  daemon.kill(signal);
  const kill = setTimeout(() => daemon.kill('SIGKILL'), stopMs);
  await ended;
  clearTimeout(kill);
}

async function stop(daemon: ChildProcess, folder: string, network: DaemonNetwork): Promise<void> {
  await end(daemon, 'SIGTERM');
  for (const pid of processesOf(folder)) kill(pid);
  for (let paths = mountsBelow(folder); paths.length > 0; paths = mountsBelow(folder)) {
    for (const path of paths) await once(spawn('umount', ['-l', path], { stdio: 'ignore' }), 'exit');
  }
  if (network.namespace === undefined) removeBridges(folder);
  network[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
}

/** A daemon keeps the bridges of its networks when it ends; whose they are stands in its own database. */
function removeBridges(folder: string): void {
  const database = join(folder, 'data/network/files/local-kv.db');
  if (!existsSync(database)) return;
  const known = readFileSync(database, 'latin1').matchAll(/"BridgeName":"(rtm[0-9a-z]+)"/g);
  for (const bridge of new Set([...known].map(([, name = '']) => name))) {
    if (existsSync(`/sys/class/net/${bridge}`)) execFileSync('ip', ['link', 'delete', bridge]);
  }
}

function mountsBelow(folder: string): string[] {
  const paths = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return paths.filter((path) => path.startsWith(`${folder}/`)).toReversed();
}

/** containerd and its shims, which outlive a daemon that was killed; those with `words` on their command line. */
function processesOf(folder: string, words = ''): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return command.includes(`${folder}/exec`) && command.includes(words) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Kills a process that was found before: it may have ended since. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Whether a daemon there answers calls: it listens long before. */
function answersCalls(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = get({ socketPath: socket, path: '/_ping', timeout: 5_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve(false));
  });
}

/** Whether a daemon listens there. */
export function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const settle = (answer: boolean) => {
      connection.destroy();
      resolve(answer);
    };
    connection.once('connect', () => settle(true));
    connection.once('error', () => settle(false));
  });
}

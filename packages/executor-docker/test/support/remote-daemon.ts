import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:https';
import { get as getPlain } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { daemonEnvironment, findDockerd, kill } from './daemon.js';
import { type DaemonNetwork, openNetwork } from './daemon-network.js';
import { freePort } from './registry.js';

const startMs = 60_000;

export interface RemoteDaemon extends AsyncDisposable {
  /** tcp://… */
  readonly address: string;
  /** Whose mount namespace shows its files. */
  readonly pid: number;
}

/** Files as `DOCKER_CERT_PATH` has them, and those of the server. */
export interface Certificates {
  readonly folder: string;
}

/**
 * A daemon that sees nothing of the folder for temporary files, where the tests' agents keep their state: it runs in a
 * mount namespace of its own with another file system there, and is reached over TCP alone.
 */
export async function startRemoteDaemon(certificates?: Certificates): Promise<RemoteDaemon> {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  const folder = await mkdtemp(join(tmpdir(), 'dockerd-remote-'));
  const network = openNetwork('bridge', `rtmt${randomBytes(5).toString('hex')}`);
  const port = await freePort();
  const tls = certificates === undefined ? [] : tlsOptions();
  const args = [
    ...['--host', `tcp://127.0.0.1:${port}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'pid'), '--log-level', 'warn', ...network.options, ...tls],
  ];
  // What TLS needs is read before it is hidden: it lies in the same place.
  const keep = certificates === undefined ? ':' : 'cp -r "$3" /run/ritmo-test-certificates';
  const script = `set -e; mount -t tmpfs tmpfs /run; ${keep}; mount -t tmpfs tmpfs "$1"; mkdir -p "$2"; shift 3; exec "$@"`;
  const daemon = spawn(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', tmpdir(), folder],
      ...[certificates?.folder ?? '', dockerd, ...args],
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: daemonEnvironment(folder),
    },
  );
  const log: string[] = [];
  daemon.stderr.on('data', (chunk: Buffer) => void log.push(chunk.toString()));
  const until = Date.now() + startMs;
  while (!(await answers(port, certificates))) {
    if (daemon.exitCode !== null || Date.now() > until) {
      await stop(daemon, folder, network);
      throw new Error(`dockerd did not start: ${log.join('').slice(-2_000)}`);
    }
    await sleep(50);
  }
  return {
    address: `tcp://127.0.0.1:${port}`,
    pid: daemon.pid ?? 0,
    [Symbol.asyncDispose]: () => stop(daemon, folder, network),
  };
}

function tlsOptions(): string[] {
  const path = (name: string) => `/run/ritmo-test-certificates/${name}.pem`;
  return ['--tlsverify', '--tlscacert', path('ca'), '--tlscert', path('server-cert'), '--tlskey', path('server-key')];
}

async function stop(daemon: ChildProcess, folder: string, network: DaemonNetwork): Promise<void> {
  await end(daemon, 'SIGTERM');
  // Its mounts go with the last process of its namespace.
  for (const pid of processesOf(folder)) kill(pid);
  network[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
}

async function end(daemon: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = once(daemon, 'exit');
  daemon.kill(signal);
  await ended;
}

function processesOf(folder: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`${folder}/exec`) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

function answers(port: number, certificates: Certificates | undefined): Promise<boolean> {
  const read = (name: string) => readFileSync(join(certificates?.folder ?? '', `${name}.pem`));
  const options = { host: '127.0.0.1', port, path: '/_ping', timeout: 5_000 };
  const ask =
    certificates === undefined
      ? (taken: Parameters<typeof getPlain>[1]) => getPlain(options, taken as never)
      : (taken: Parameters<typeof getPlain>[1]) =>
          get({ ...options, ca: read('ca'), cert: read('cert'), key: read('key') }, taken as never);
  return new Promise((resolve) => {
    const call = ask(((answer: { resume(): void; statusCode?: number }) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    }) as never);
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve(false));
  });
}

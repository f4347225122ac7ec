import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const startMs = 60_000;
const stopMs = 30_000;

/**
 * Vitest global set-up: the Docker daemon that DOCKER_HOST names or that listens at its usual place, else one that is
 * started for this run and stopped after it.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['DOCKER_HOST'] !== undefined || (await answers('/var/run/docker.sock'))) return undefined;
  const dockerd = ['/usr/bin/dockerd', '/usr/sbin/dockerd'].find(existsSync);
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || dockerd === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'dockerd-'));
  const socket = join(folder, 'docker.sock');
  const daemon = start(dockerd, folder, socket);
  const log: string[] = [];
  daemon.stderr?.on('data', (chunk: Buffer) => void log.push(chunk.toString()));
  const until = Date.now() + startMs;
  while (!(await answers(socket))) {
    if (daemon.exitCode !== null || Date.now() > until) {
      await stop(daemon, folder);
      throw new Error(`dockerd did not start: ${log.join('').slice(-2_000)}`);
    }
    await sleep(50);
  }
  process.env['DOCKER_HOST'] = `unix://${socket}`;
  return async () => {
    delete process.env['DOCKER_HOST'];
    await stop(daemon, folder);
  };
}

function start(dockerd: string, folder: string, socket: string): ChildProcess {
  const args = [
    ...['--host', `unix://${socket}`, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'pid'), '--bridge', 'none', '--log-level', 'warn'],
  ];
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return spawn(dockerd, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
}

async function stop(daemon: ChildProcess, folder: string): Promise<void> {
  if (daemon.exitCode === null) {
    const ended = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    const kill = setTimeout(() => daemon.kill('SIGKILL'), stopMs);
    await ended;
    clearTimeout(kill);
  }
  for (const path of mountsBelow(folder)) {
    await once(spawn('umount', ['-l', path], { stdio: 'ignore' }), 'exit');
  }
  await rm(folder, { recursive: true, force: true });
}

function mountsBelow(folder: string): string[] {
  const paths = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return paths.filter((path) => path.startsWith(`${folder}/`)).toReversed();
}

function answers(socket: string): Promise<boolean> {
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

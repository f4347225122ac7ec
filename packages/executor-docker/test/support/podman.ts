import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { answers } from './daemon.js';

const startMs = 60_000;

/** Podman's Docker-compatible socket, with storage, networks and settings of its own. */
export class Podman implements AsyncDisposable {
  readonly #folder: string;
  readonly #service: ChildProcess;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
    this.#service = spawn('podman', [...this.#global, 'system', 'service', '--time=0', `unix://${this.#socket}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
      // Where a container that ran out of memory leaves a mark.
      cwd: folder,
    });
  }

  /** `registries` are spoken to without TLS, as `127.0.0.1:5000`. */
  static async start(registries: readonly string[]): Promise<Podman> {
    const folder = await mkdtemp(join(tmpdir(), 'podman-'));
    await chmod(folder, 0o711);
    const env = {
      ...process.env,
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      CONTAINERS_CONF: join(folder, 'containers.conf'),
      CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf'),
      // Podman leaves each archive that it loads an image from.
      TMPDIR: join(folder, 'archives'),
    };
    await mkdir(env.TMPDIR);
    await writeFile(env.CONTAINERS_CONF, settings);
    const insecure = registries.map((each) => `[[registry]]\nlocation = "${each}"\ninsecure = true\n`);
    await writeFile(env.CONTAINERS_REGISTRIES_CONF, insecure.join(''));
    const podman = new Podman(folder, env);
    await podman.#ready();
    return podman;
  }

  get address(): string {
    return `unix://${this.#socket}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#service.exitCode === null ? once(this.#service, 'exit') : undefined;
    this.#service.kill('SIGTERM');
    await ended;
    for (const args of [
      ['rm', '--all', '--force', '--time=0'],
      ['network', 'prune', '--force'],
    ]) {
      spawnSync('podman', [...this.#global, ...args], { stdio: 'ignore', env: this.#env });
    }
    for (const path of mountsBelow(this.#folder)) execFileSync('umount', ['--lazy', path]);
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #socket(): string {
    return join(this.#folder, 'podman.sock');
  }

  get #global(): readonly string[] {
    const place = (name: string) => join(this.#folder, name);
    return [
      ...['--root', place('root'), '--runroot', place('run'), '--tmpdir', place('tmp')],
      ...['--network-config-dir', place('networks'), '--volumepath', place('volumes')],
    ];
  }

  async #ready(): Promise<void> {
    const said: string[] = [];
    this.#service.stderr?.on('data', (chunk: Buffer) => void said.push(chunk.toString()));
    const until = Date.now() + startMs;
    while (!(existsSync(this.#socket) && (await answers(this.#socket)))) {
      if (this.#service.exitCode !== null || Date.now() > until) {
        await this[Symbol.asyncDispose]();
        throw new Error(`podman did not start: ${said.join('').slice(-2_000)}`);
      }
      await sleep(20);
    }
  }
}

/** No systemd is needed, and no higher limits than Podman has where the tests have low ones. */
const settings = `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

/** The deepest first. */
function mountsBelow(folder: string): string[] {
  const paths = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return paths.filter((path) => path.startsWith(`${folder}/`)).toReversed();
}

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Executor, ExecutorHost } from '@ritmo/agent-core/executor';
import { type DockerExecutorOptions, dockerExecutor } from '../../src/index.js';

/** Sees containers, their processes, networks, rules, folders and mounts with its own eyes. */
export class Witness {
  readonly #open = new Map<string, number>();
  readonly #address: string | undefined;

  /** `address` of the daemon; DOCKER_HOST by default. */
  constructor(address?: string) {
    this.#address = address;
  }

  async open(host: ExecutorHost, options: DockerExecutorOptions = {}): Promise<Executor> {
    const executor = await dockerExecutor(options).open(host);
    const { ownerId } = host;
    this.#open.set(ownerId, (this.#open.get(ownerId) ?? 0) + 1);
    const dispose = executor[Symbol.asyncDispose].bind(executor);
    let closed = false;
    executor[Symbol.asyncDispose] = async () => {
      await dispose();
      if (!closed) this.#open.set(ownerId, (this.#open.get(ownerId) ?? 1) - 1);
      closed = true;
    };
    return executor;
  }

  residue(ownerId: string, stateDir: string): string[] {
    const open = (this.#open.get(ownerId) ?? 0) > 0;
    const folders = ['sandboxes', 'memory'].flatMap((name) =>
      list(join(stateDir, name)).map((entry) => `folder ${name}/${entry}`),
    );
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(stateDir) && !(open && line.includes('/memory ')));
    const label = `label=dev.ritmo.owner=${ownerId}`;
    const docker = (args: readonly string[]) =>
      run('/usr/bin/docker', this.#address === undefined ? args : ['--host', this.#address, ...args]);
    const containers = docker(['ps', '-aq', '--no-trunc', '--filter', label]);
    const networks = docker(['network', 'ls', '--filter', label, '--format', '{{.Name}}']).filter(
      (name) => !open || !/^ritmo-[0-9a-f]{6}$/.test(name),
    );
    const table = `ritmo_${createHash('sha256').update(ownerId).digest('hex').slice(0, 6)}`;
    const rules = open ? [] : run('nft', ['list', 'tables']).filter((line) => line.endsWith(` ${table}`));
    return [
      ...rules,
      ...folders,
      ...mounts,
      ...networks.map((name) => `network ${name}`),
      ...docker(['volume', 'ls', '-q', '--filter', label]).map((name) => `volume ${name}`),
      ...containers.map((id) => `container ${id}`),
      ...containers.flatMap(processesOf),
    ];
  }
}

/** By cgroup, which no process of a container can leave. */
function processesOf(container: string): string[] {
  return list('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || !read(`/proc/${name}/cgroup`).includes(container)) return [];
    const state = read(`/proc/${name}/stat`);
    if (/\) [ZX] /.test(state)) return [];
    return [`process ${name} ${read(`/proc/${name}/cmdline`).replaceAll('\0', ' ')}`];
  });
}

function run(program: string, args: readonly string[]): string[] {
  return execFileSync(program, [...args], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
}

const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

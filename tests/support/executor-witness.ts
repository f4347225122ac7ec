import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Executor, ExecutorBinding, ExecutorHost } from '@ritmo/agent-core/executor';

/** Sees folders, mounts and processes of an owner with its own eyes: nothing here asks the executor. */
export class ExecutorWitness {
  readonly #hosts = new Map<string, { readonly host: ExecutorHost; open: number }>();

  async open(binding: ExecutorBinding, host: ExecutorHost): Promise<Executor> {
    const executor = await binding.open(host);
    const seen = this.#hosts.get(host.ownerId) ?? { host, open: 0 };
    seen.open += 1;
    this.#hosts.set(host.ownerId, seen);
    const dispose = executor[Symbol.asyncDispose].bind(executor);
    let closed = false;
    executor[Symbol.asyncDispose] = async () => {
      await dispose();
      if (!closed) seen.open -= 1;
      closed = true;
    };
    return executor;
  }

  residue(ownerId: string): string[] {
    const seen = this.#hosts.get(ownerId);
    if (seen === undefined) return [];
    const { stateDir } = seen.host;
    const folders = ['sandboxes', 'memory', ...(seen.open === 0 ? ['run'] : [])].flatMap((name) =>
      list(join(stateDir, name)).map((entry) => `folder ${name}/${entry}`),
    );
    const mounts =
      seen.open > 0
        ? []
        : readFileSync('/proc/self/mounts', 'utf8')
            .split('\n')
            .filter((line) => line.includes(stateDir));
    return [...folders, ...mounts, ...processesOf(ownerId)];
  }
}

/** By the mark in the environment, and below such a process by descent: a build may clear its environment. */
function processesOf(ownerId: string): string[] {
  const processes = list('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = read(`/proc/${name}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === undefined || state === 'Z') return [];
    return [
      { pid: Number(name), parent: Number(parent), marked: read(`/proc/${name}/environ`).includes(`${ownerId}/`) },
    ];
  });
  const ours = new Set(processes.filter(({ marked }) => marked).map(({ pid }) => pid));
  for (let grown = true; grown; ) {
    const more = processes.filter(({ pid, parent }) => ours.has(parent) && !ours.has(pid));
    for (const { pid } of more) ours.add(pid);
    grown = more.length > 0;
  }
  return [...ours].map((pid) => `process ${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(-80)}`);
}

const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

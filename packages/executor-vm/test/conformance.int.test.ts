import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Executor, ExecutorHost } from '@ritmo/agent-core/executor';
import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { vmExecutor } from '../src/index.js';
import { testOptions } from './support/bench.js';
import { imageName } from './support/image.js';

/** Sees folders, mounts and processes of an owner with its own eyes: nothing here asks the executor. */
class Witness {
  readonly #open = new Map<string, number>();

  async open(host: ExecutorHost): Promise<Executor> {
    const executor = await vmExecutor(testOptions()).open(host);
    const count = (by: number) => this.#open.set(host.ownerId, (this.#open.get(host.ownerId) ?? 0) + by);
    count(1);
    const dispose = executor[Symbol.asyncDispose].bind(executor);
    let closed = false;
    executor[Symbol.asyncDispose] = async () => {
      await dispose();
      if (!closed) count(-1);
      closed = true;
    };
    return executor;
  }

  residue(ownerId: string, stateDir: string): string[] {
    const idle = (this.#open.get(ownerId) ?? 0) === 0;
    const folders = ['sandboxes', 'memory', ...(idle ? ['run'] : [])].flatMap((name) =>
      list(join(stateDir, name)).map((entry) => `folder ${name}/${entry}`),
    );
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => idle && line.includes(stateDir));
    return [...folders, ...mounts, ...processesOf(ownerId)];
  }
}

function processesOf(ownerId: string): string[] {
  return list('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = read(`/proc/${name}/stat`);
    if (stat === '' || stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return [];
    return read(`/proc/${name}/environ`).includes(`${ownerId}/`) ? [`process ${name}`] : [];
  });
}

const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const witness = new Witness();

describeExecutor({
  name: 'the vm executor',
  open: (host) => witness.open(host),
  residue: (ownerId, stateDir) => Promise.resolve(witness.residue(ownerId, stateDir)),
  timeScale: 4,
  image: imageName,
});

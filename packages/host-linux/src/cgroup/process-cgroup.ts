import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const mountPoint = '/sys/fs/cgroup';

/** What a cgroup counts; absent where its controller is not there. */
export interface CgroupCounters {
  readonly cpuMs?: number;
  readonly memoryPeakBytes?: number;
  /** Processes that were killed for want of memory, since it was made. */
  readonly outOfMemoryKills: number;
  /** Forks that were refused since it was made. */
  readonly refusedForks: number;
}

/** The cgroup that a process is in, version 1 or 2, read only: seen from outside, nobody in it can lie about it. */
export class ProcessCgroup {
  readonly version: 1 | 2;
  readonly #paths: ReadonlyMap<string, string>;

  private constructor(version: 1 | 2, paths: ReadonlyMap<string, string>) {
    this.version = version;
    this.#paths = paths;
  }

  /** Undefined where the process or its cgroup cannot be seen from here. */
  static of(pid: number): ProcessCgroup | undefined {
    const text = read(`/proc/${pid}/cgroup`);
    if (text === undefined) return undefined;
    const lines = text.split('\n').flatMap((line) => {
      const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return controllers === undefined || path === undefined ? [] : [{ controllers: controllers.split(','), path }];
    });
    const pids = lines.find(({ controllers }) => controllers.includes('pids'));
    if (pids !== undefined) {
      const paths = lines.flatMap(({ controllers, path }) =>
        controllers.map((name) => [name, join(mountPoint, name, path)] as const),
      );
      const found = new ProcessCgroup(1, new Map(paths));
      return found.processes() === undefined ? undefined : found;
    }
    const unified = lines.find(({ controllers }) => controllers[0] === '');
    if (unified === undefined) return undefined;
    const found = new ProcessCgroup(2, new Map([['', join(mountPoint, unified.path)]]));
    return found.processes() === undefined ? undefined : found;
  }

  /** Whether its path names the given id: that it is the cgroup of this container, and not one above it. */
  names(id: string): boolean {
    return (this.#paths.get('pids') ?? this.#paths.get('') ?? '').includes(id);
  }

  /** Pids of the processes in it, as this host counts them; undefined once it is gone. */
  processes(): number[] | undefined {
    const text = read(this.#file('pids', 'cgroup.procs'));
    return text?.split('\n').filter(Boolean).map(Number);
  }

  counters(): CgroupCounters {
    return this.version === 1 ? this.#first() : this.#second();
  }

  #first(): CgroupCounters {
    const cpu = read(this.#file('cpuacct', 'cpuacct.usage'));
    const peak = read(this.#file('memory', 'memory.max_usage_in_bytes'));
    return {
      ...(cpu === undefined ? {} : { cpuMs: Math.round(Number(cpu) / 1e6) }),
      ...(peak === undefined ? {} : { memoryPeakBytes: Number(peak) }),
      outOfMemoryKills: field(read(this.#file('memory', 'memory.oom_control')), 'oom_kill'),
      refusedForks: field(read(this.#file('pids', 'pids.events')), 'max'),
    };
  }

  #second(): CgroupCounters {
    const cpu = read(this.#file('', 'cpu.stat'));
    const peak = read(this.#file('', 'memory.peak'));
    return {
      ...(cpu === undefined ? {} : { cpuMs: Math.round(field(cpu, 'usage_usec') / 1e3) }),
      ...(peak === undefined ? {} : { memoryPeakBytes: Number(peak) }),
      outOfMemoryKills: field(read(this.#file('', 'memory.events')), 'oom_kill'),
      refusedForks: field(read(this.#file('', 'pids.events')), 'max'),
    };
  }

  #file(controller: string, name: string): string {
    return join(this.#paths.get(this.version === 1 ? controller : '') ?? mountPoint, name);
  }
}

function field(text: string | undefined, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1] ?? 0);
}

/** A cgroup may go at any moment: then there is nothing to read. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}

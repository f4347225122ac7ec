import { existsSync } from 'node:fs';
import { readField, readNumber, readPids } from './control-files.js';
import type { GroupEvents, GroupUsage } from './group.js';
import { listHierarchies } from './hierarchies.js';

/** What is mounted as trees of their own in version 1; in version 2 all of it is one folder. */
export const controllers = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer'] as const;
export type Controller = (typeof controllers)[number];
/** Where a group lies, by controller. */
export type GroupFolders = Readonly<Partial<Record<Controller, string>>>;

/** A control group of either version, read only: seen from outside, nobody in it can lie about it. */
export class GroupView {
  readonly version: 1 | 2;
  readonly folders: GroupFolders;
  /** Each folder once: in version 1 controllers that were mounted together share one. */
  protected readonly all: readonly string[];

  constructor(version: 1 | 2, folders: GroupFolders) {
    this.version = version;
    this.folders = folders;
    this.all = [...new Set(Object.values(folders))];
  }

  /** Whether its path names the given id: that it is the group of this container, and not one above it. */
  names(id: string): boolean {
    return this.#counting?.includes(id) === true;
  }

  /** False once it is gone. */
  exists(): boolean {
    return this.#counting !== undefined && existsSync(this.#counting);
  }

  /** Pids of what runs in it, as this host counts them; none once it is gone. */
  processes(): number[] {
    return this.#counting === undefined ? [] : readPids(this.#counting);
  }

  /** Whether half of the processes that it may have are taken, dead ones that nobody has collected among them. */
  crowded(): boolean {
    const { pids } = this.folders;
    const most = readNumber(pids, 'pids.max');
    return most !== undefined && (readNumber(pids, 'pids.current') ?? 0) > most / 2;
  }

  events(): GroupEvents {
    const { memory, pids } = this.folders;
    const killsIn = this.version === 1 ? 'memory.oom_control' : 'memory.events';
    return {
      oomKills: readField(memory, killsIn, 'oom_kill') ?? 0,
      refusedForks: readField(pids, 'pids.events', 'max') ?? 0,
    };
  }

  usage(): GroupUsage {
    const { cpuacct, memory } = this.folders;
    const first = this.version === 1;
    const microseconds = first
      ? divided(readNumber(cpuacct, 'cpuacct.usage'), 1_000)
      : readField(cpuacct, 'cpu.stat', 'usage_usec');
    const memoryPeakBytes = readNumber(memory, first ? 'memory.max_usage_in_bytes' : 'memory.peak');
    return {
      ...(microseconds !== undefined && { cpuMs: Math.round(microseconds / 1_000) }),
      ...(memoryPeakBytes !== undefined && { memoryPeakBytes }),
    };
  }

  /** The folder of the tree that counts processes, where it is there. */
  get #counting(): string | undefined {
    return this.folders.pids ?? this.all[0];
  }
}

/** Version 2: all controllers in one folder. */
export function unifiedFolders(folder: string): GroupFolders {
  return Object.fromEntries(controllers.map((name) => [name, folder]));
}

/** The group that a process is in, by the tree that counts processes; undefined where it cannot be seen from here. */
export function groupOfProcess(pid: number): GroupView | undefined {
  const hierarchies = listHierarchies(pid);
  const first = hierarchies.filter(({ version, own }) => version === 1 && own !== undefined);
  const view = first.some((hierarchy) => hierarchy.controllers.includes('pids'))
    ? new GroupView(1, foldersOf(first))
    : unifiedView(hierarchies.find(({ version }) => version === 2)?.own);
  return view?.exists() === true ? view : undefined;
}

function unifiedView(folder: string | undefined): GroupView | undefined {
  return folder === undefined ? undefined : new GroupView(2, unifiedFolders(folder));
}

function foldersOf(hierarchies: ReturnType<typeof listHierarchies>): GroupFolders {
  return Object.fromEntries(
    controllers.flatMap((name) => {
      const own = hierarchies.find((hierarchy) => hierarchy.controllers.includes(name))?.own;
      return own === undefined ? [] : [[name, own]];
    }),
  );
}

const divided = (number: number | undefined, by: number) => (number === undefined ? undefined : number / by);

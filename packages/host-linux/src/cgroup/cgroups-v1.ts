import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { signalPid } from '../process/signal.js';
import {
  makeGroup,
  readControl,
  readField,
  readNumber,
  readPids,
  subgroups,
  tryRemoveGroup,
  tryWriteControl,
  writeControl,
} from './control-files.js';
import type { Cgroup, Cgroups, GroupEvents, GroupLimitName, GroupLimits, GroupUsage } from './group.js';
import type { Hierarchy } from './hierarchies.js';

const cpuPeriodUs = 100_000;
/** Half of what the agent's own group has. */
const buildShares = 512;
const wanted = ['memory', 'cpu', 'cpuacct', 'pids'] as const;
type Controller = (typeof wanted)[number];
type Folders = Partial<Record<Controller, string>>;

/** Groups of version 1: one tree for each controller, below the group that the agent is in. */
export class CgroupsV1 implements Cgroups {
  readonly version = 1;
  readonly limits: readonly GroupLimitName[];
  readonly path: string;
  readonly #parents: Folders;

  /** Undefined where no controller can be used. */
  static open(name: string, hierarchies: readonly Hierarchy[]): CgroupsV1 | undefined {
    const parents: Folders = {};
    for (const controller of wanted) {
      const hierarchy = hierarchies.find(
        ({ version, controllers }) => version === 1 && controllers.includes(controller),
      );
      const folder = hierarchy === undefined ? undefined : usable(join(hierarchy.own, name), controller);
      if (folder !== undefined) parents[controller] = folder;
    }
    return Object.keys(parents).length === 0 ? undefined : new CgroupsV1(parents);
  }

  private constructor(parents: Folders) {
    this.#parents = parents;
    this.limits = (['cpu', 'memory', 'pids'] as const).filter((name) => parents[name] !== undefined);
    this.path = Object.values(parents)[0] ?? '';
  }

  create(name: string, limits: GroupLimits): Cgroup {
    const folders = this.#folders(name);
    const group = new GroupV1(name, folders);
    try {
      for (const [controller, parent] of Object.entries(this.#parents)) {
        // Another process of this installation may have taken the parent away when it closed.
        if (!existsSync(parent)) usable(parent, controller as Controller);
      }
      for (const folder of Object.values(folders)) makeGroup(folder);
      limit(folders, limits);
      return group;
    } catch (error) {
      group.tryRemove();
      throw error;
    }
  }

  existing(name: string): Cgroup {
    return new GroupV1(name, this.#folders(name));
  }

  names(): string[] {
    return [...new Set(Object.values(this.#parents).flatMap(subgroups))];
  }

  close(): void {
    for (const folder of Object.values(this.#parents)) tryRemoveGroup(folder);
  }

  #folders(name: string): Folders {
    return Object.fromEntries(Object.entries(this.#parents).map(([key, folder]) => [key, join(folder, name)]));
  }
}

class GroupV1 implements Cgroup {
  readonly name: string;
  readonly joinFiles: readonly string[];
  readonly #folders: Folders;
  readonly #all: readonly string[];

  constructor(name: string, folders: Folders) {
    this.name = name;
    this.#folders = folders;
    // Controllers that were mounted together share a folder.
    this.#all = [...new Set(Object.values(folders))];
    this.joinFiles = this.#all.map((folder) => join(folder, 'cgroup.procs'));
  }

  events(): GroupEvents {
    return {
      oomKills: readField(this.#folders.memory, 'memory.oom_control', 'oom_kill') ?? 0,
      refusedForks: readField(this.#folders.pids, 'pids.events', 'max') ?? 0,
    };
  }

  usage(): GroupUsage {
    const nanoseconds = readNumber(this.#folders.cpuacct, 'cpuacct.usage');
    const memoryPeakBytes = readNumber(this.#folders.memory, 'memory.max_usage_in_bytes');
    return {
      ...(nanoseconds !== undefined && { cpuMs: Math.round(nanoseconds / 1e6) }),
      ...(memoryPeakBytes !== undefined && { memoryPeakBytes }),
    };
  }

  processes(): number[] {
    return [...new Set(this.#all.flatMap(readPids))];
  }

  kill(): void {
    const { pids } = this.#folders;
    const before = readControl(pids, 'pids.max');
    if (pids !== undefined) tryWriteControl(pids, 'pids.max', 0);
    for (const pid of this.processes()) signalPid(pid, 'SIGKILL');
    // What was signalled forks no more; the next command of the job must be able to.
    if (pids !== undefined && before !== undefined) tryWriteControl(pids, 'pids.max', before);
  }

  tryRemove(): boolean {
    return this.#all.map(tryRemoveGroup).every(Boolean);
  }
}

function limit(folders: Folders, { cpus, memoryBytes, pids }: GroupLimits): void {
  if (memoryBytes !== undefined) {
    writeControl(need(folders, 'memory'), 'memory.limit_in_bytes', memoryBytes);
    // Absent where the kernel does not account for swap: then swapping is not bounded.
    tryWriteControl(need(folders, 'memory'), 'memory.memsw.limit_in_bytes', memoryBytes);
  }
  if (cpus !== undefined) {
    writeControl(need(folders, 'cpu'), 'cpu.cfs_period_us', cpuPeriodUs);
    writeControl(need(folders, 'cpu'), 'cpu.cfs_quota_us', Math.max(1_000, Math.round(cpus * cpuPeriodUs)));
  }
  if (pids !== undefined) writeControl(need(folders, 'pids'), 'pids.max', pids);
}

function need(folders: Folders, controller: Controller): string {
  const folder = folders[controller];
  if (folder === undefined) throw new Error(`the controller ${controller} is not there`);
  return folder;
}

/** The folder, made, when its knob can be turned. */
function usable(folder: string, controller: Controller): string | undefined {
  try {
    makeGroup(folder);
    if (controller === 'memory') writeControl(folder, 'memory.limit_in_bytes', -1);
    if (controller === 'pids') writeControl(folder, 'pids.max', 'max');
    if (controller === 'cpu') {
      writeControl(folder, 'cpu.cfs_quota_us', -1);
      tryWriteControl(folder, 'cpu.shares', buildShares);
    }
    return folder;
  } catch {
    tryRemoveGroup(folder);
    return undefined;
  }
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeGroup, subgroups, tryRemoveGroup, tryWriteControl, writeControl } from './control-files.js';
import type { Cgroup, Cgroups, GroupLimitName, GroupLimits } from './group.js';
import { type Controller, controllers, type GroupFolders } from './group-view.js';
import type { Hierarchy } from './hierarchies.js';
import { JobGroup } from './job-group.js';

const cpuPeriodUs = 100_000;
/** Half of what the agent's own group has. */
const buildShares = 512;

/** Groups of version 1: one tree for each controller, below the group that the agent is in. */
export class CgroupsV1 implements Cgroups {
  readonly version = 1;
  readonly limits: readonly GroupLimitName[];
  readonly path: string;
  readonly #parents: GroupFolders;

  /** Undefined where no controller can be used. */
  static open(name: string, hierarchies: readonly Hierarchy[]): CgroupsV1 | undefined {
    const parents: Partial<Record<Controller, string>> = {};
    for (const controller of controllers) {
      // It serves to keep what is killed from forking, and costs every start: only where nothing cheaper does.
      if (controller === 'freezer' && parents.pids !== undefined) continue;
      const hierarchy = hierarchies.find(({ version, controllers: all }) => version === 1 && all.includes(controller));
      if (hierarchy === undefined) continue;
      const folder = usable(join(hierarchy.own ?? hierarchy.top, name), controller);
      if (folder !== undefined) parents[controller] = folder;
    }
    return Object.keys(parents).length === 0 ? undefined : new CgroupsV1(parents);
  }

  private constructor(parents: GroupFolders) {
    this.#parents = parents;
    this.limits = (['cpu', 'memory', 'pids'] as const).filter((name) => parents[name] !== undefined);
    this.path = Object.values(parents)[0] ?? '';
  }

  create(name: string, limits: GroupLimits): Cgroup {
    for (const [controller, parent] of Object.entries(this.#parents)) {
      // Another process of this installation may have taken the parent away when it closed.
      if (!existsSync(parent)) usable(parent, controller as Controller);
    }
    const group = this.existing(name);
    return group.make(() => limit(group.folders, limits));
  }

  existing(name: string): JobGroup {
    const folders = Object.entries(this.#parents).map(([key, folder]) => [key, join(folder, name)]);
    return new JobGroup(1, Object.fromEntries(folders) as GroupFolders);
  }

  names(): string[] {
    return [...new Set(Object.values(this.#parents).flatMap(subgroups))];
  }

  close(): void {
    for (const folder of Object.values(this.#parents)) tryRemoveGroup(folder);
  }
}

function limit(folders: GroupFolders, { cpus, memoryBytes, pids }: GroupLimits): void {
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

function need(folders: GroupFolders, controller: Controller): string {
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

import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  makeGroup,
  readControl,
  readPids,
  subgroups,
  tryRemoveGroup,
  tryWriteControl,
  writeControl,
} from './control-files.js';
import type { Cgroup, Cgroups, GroupLimitName, GroupLimits } from './group.js';
import { unifiedFolders } from './group-view.js';
import type { Hierarchy } from './hierarchies.js';
import { JobGroup } from './job-group.js';

const cpuPeriodUs = 100_000;
const agentGroup = 'ritmo-agent';
/** 100 is what every group has that says nothing. */
const buildWeight = 50;
const agentWeight = 1_000;
const controllers = ['cpu', 'memory', 'pids'] as const satisfies readonly GroupLimitName[];

/** Groups of version 2: one tree, below the group that was delegated to the agent, or, for root, below the top. */
export class CgroupsV2 implements Cgroups {
  readonly version = 2;
  readonly limits: readonly GroupLimitName[];
  readonly path: string;

  /** Undefined where no group can be made. May move this process into a group of its own below the delegated one. */
  static open(name: string, { own: seen, top }: Hierarchy): CgroupsV2 | undefined {
    const own = seen ?? top;
    const delegated = basename(own) === agentGroup ? dirname(own) : own;
    const candidates = process.getuid?.() === 0 ? [...new Set([delegated, top])] : [delegated];
    const opened = candidates.map((folder) => tryBelow(folder, name)).filter((groups) => groups !== undefined);
    const best = opened.toSorted((a, b) => b.limits.length - a.limits.length)[0];
    for (const groups of opened) if (groups !== best) groups.close();
    return best;
  }

  constructor(path: string, limits: readonly GroupLimitName[]) {
    this.path = path;
    this.limits = limits;
  }

  create(name: string, limits: GroupLimits): Cgroup {
    // Another process of this installation may have taken the parent away when it closed.
    if (!existsSync(this.path)) tryBelow(dirname(this.path), basename(this.path));
    return this.existing(name).make(() => limit(join(this.path, name), limits));
  }

  existing(name: string): JobGroup {
    return new JobGroup(2, unifiedFolders(join(this.path, name)));
  }

  names(): string[] {
    return subgroups(this.path);
  }

  close(): void {
    tryRemoveGroup(this.path);
  }
}

function limit(folder: string, { cpus, memoryBytes, pids }: GroupLimits): void {
  if (memoryBytes !== undefined) {
    writeControl(folder, 'memory.max', memoryBytes);
    // Absent where the kernel does not account for swap.
    tryWriteControl(folder, 'memory.swap.max', 0);
    writeControl(folder, 'memory.oom.group', 1);
  }
  if (cpus !== undefined) {
    writeControl(folder, 'cpu.max', `${Math.max(1_000, Math.round(cpus * cpuPeriodUs))} ${cpuPeriodUs}`);
  }
  if (pids !== undefined) writeControl(folder, 'pids.max', pids);
}

function tryBelow(base: string, name: string): CgroupsV2 | undefined {
  const path = join(base, name);
  try {
    const limits = delegate(base);
    makeGroup(path);
    const usable = limits.filter((controller) => tryWriteControl(path, 'cgroup.subtree_control', `+${controller}`));
    if (usable.includes('cpu')) tryWriteControl(path, 'cpu.weight', buildWeight);
    return new CgroupsV2(path, usable);
  } catch {
    tryRemoveGroup(path);
    return undefined;
  }
}

/** Hands the controllers of a group on to those below it, and says which. */
function delegate(base: string): GroupLimitName[] {
  // A group that holds processes hands nothing on, the top apart. When they are ours alone, we step aside first:
  // what is handed on before that makes it a group of threads, in which nothing else can be had.
  const isTop = !existsSync(join(base, 'cgroup.type'));
  if (!isTop && readPids(base).length > 0 && !stepAside(base)) return [];
  const offered = (readControl(base, 'cgroup.controllers') ?? '').split(' ');
  const handedOn = (readControl(base, 'cgroup.subtree_control') ?? '').split(' ');
  return controllers.filter(
    (controller) =>
      offered.includes(controller) &&
      (handedOn.includes(controller) || tryWriteControl(base, 'cgroup.subtree_control', `+${controller}`)),
  );
}

function stepAside(base: string): boolean {
  if (readPids(base).some((pid) => pid !== process.pid)) return false;
  const own = join(base, agentGroup);
  makeGroup(own);
  if (!tryWriteControl(own, 'cgroup.procs', process.pid)) return false;
  // The weight can be set once the controller was handed on.
  tryWriteControl(base, 'cgroup.subtree_control', '+cpu');
  tryWriteControl(own, 'cpu.weight', agentWeight);
  return true;
}

import type { GroupView } from './group-view.js';

/** What a control group can bound. */
export type GroupLimitName = 'cpu' | 'memory' | 'pids';

export interface GroupLimits {
  /** Cores, also parts of one. */
  readonly cpus?: number;
  /** Memory and swap together; page cache and files in memory count. */
  readonly memoryBytes?: number;
  /** Processes and threads. */
  readonly pids?: number;
}

/** How often the kernel enforced a limit since the group was made; zero where it does not count. */
export interface GroupEvents {
  readonly oomKills: number;
  readonly refusedForks: number;
}

/** Counted by the kernel, from outside; absent where it does not count. */
export interface GroupUsage {
  readonly cpuMs?: number;
  readonly memoryPeakBytes?: number;
}

/** One control group of a job; the same for both versions. */
export interface Cgroup extends Pick<GroupView, 'events' | 'usage' | 'processes' | 'crowded'> {
  readonly name: string;
  /** Files that take `0` from a process that joins; four at most. */
  readonly joinFiles: readonly string[];
  /** SIGKILL to everything in it; nothing in it can fork meanwhile. */
  kill(): void;
  /** Removes the group, which must be empty. False while the kernel still holds it. */
  tryRemove(): boolean;
}

/** Where an executor's groups are made. */
export interface Cgroups {
  readonly version: 1 | 2;
  /** What was tried and can be bounded here. */
  readonly limits: readonly GroupLimitName[];
  /** A folder, for people. */
  readonly path: string;
  /** Throws the system's error when a limit is not accepted; nothing is left then. */
  create(name: string, limits: GroupLimits): Cgroup;
  /** A group that a former process has left. */
  existing(name: string): Cgroup;
  names(): string[];
  /** Takes the common parent away once it holds no group. */
  close(): void;
}

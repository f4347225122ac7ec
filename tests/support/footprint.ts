import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What an executor has of its host, besides memory. */
export interface Footprint {
  readonly descriptors: number;
  /** Below the folders. */
  readonly files: number;
  readonly mounts: number;
  /** Processes that are ours by parentage. */
  readonly processes: number;
}

/** What this process and its folders take now; sees nothing through the executor. */
export function footprint(folders: readonly string[]): Footprint {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return {
    descriptors: readdirSync('/proc/self/fd').filter((fd) => !isUserLock(fd)).length,
    files: folders.reduce((sum, folder) => sum + readdirSync(folder, { recursive: true }).length, 0),
    mounts: mounts.filter((line) => folders.some((folder) => line.includes(folder))).length,
    processes: descendants(process.pid),
  };
}

/** An executor keeps the lock of each user that it has lent once; which these are depends on who else is about. */
function isUserLock(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).includes('/ritmo-users/');
  } catch {
    return false;
  }
}

function descendants(of: number): number {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : undefined;
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const count = (pid: number): number => (parents.get(pid) ?? []).reduce((sum, child) => sum + 1 + count(child), 0);
  return count(of);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

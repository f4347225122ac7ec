import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Owner } from '../files/write-tree.js';
import { CgroupsV1 } from './cgroups-v1.js';
import { CgroupsV2 } from './cgroups-v2.js';
import type { Cgroups } from './group.js';
import { listHierarchies } from './hierarchies.js';

/**
 * The groups that this host lets us make, of the version that bounds more; undefined where there are none. Tried with
 * a process of `user`. `name` marks what is ours, and must stay the same over restarts.
 */
export function openCgroups(name: string, user: Owner): Cgroups | undefined {
  if (process.platform !== 'linux') return undefined;
  const hierarchies = listHierarchies();
  const unified = hierarchies.find(({ version }) => version === 2);
  const opened = [unified && CgroupsV2.open(name, unified), CgroupsV1.open(name, hierarchies)].filter(
    (groups) => groups !== undefined,
  );
  const working = opened.filter((groups) => groups.limits.length > 0 && canJoin(groups, user));
  const best = working.toSorted((a, b) => b.limits.length - a.limits.length)[0];
  for (const groups of opened) if (groups !== best) groups.close();
  return best;
}

/** A process of the user joins by descriptors that we have opened for it: as the processes of builds will. */
function canJoin(groups: Cgroups, user: Owner): boolean {
  const descriptors: number[] = [];
  const group = attempt(() => groups.create(`trial-${process.pid}`, {}));
  if (group === undefined) return false;
  try {
    for (const file of group.joinFiles) descriptors.push(openSync(file, 'w'));
    const script = descriptors.map((_, i) => `echo 0 >&${i + 3}`).join(' && ');
    const { status } = spawnSync('/bin/sh', ['-c', script], {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', ...descriptors],
      timeout: 10_000,
      ...(process.getuid?.() === 0 ? { uid: user.uid, gid: user.gid } : {}),
    });
    return status === 0;
  } catch {
    return false;
  } finally {
    descriptors.forEach((fd) => closeSync(fd));
    group.tryRemove();
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

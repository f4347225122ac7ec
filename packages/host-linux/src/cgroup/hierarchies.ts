import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { unlessErrno } from '../errno.js';
import { listMounts } from '../mounts/mount-table.js';

/** A mounted tree of control groups. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Version 1: the controllers that it was mounted with. */
  readonly controllers: readonly string[];
  /** The folder of its top as far as it can be seen here. */
  readonly top: string;
  /** The folder of the group that the process is in; undefined where that cannot be seen. */
  readonly own: string | undefined;
}

/** All trees that are mounted, by the kernel's own account, and where a process is in them: this one by default. */
export function listHierarchies(pid = process.pid): Hierarchy[] {
  const groups = groupsOf(pid);
  return listMounts().flatMap(({ type, path, root, superOptions }): Hierarchy[] => {
    if (type === 'cgroup2') return [{ version: 2, controllers: [], top: path, own: below(path, root, groups.get('')) }];
    if (type !== 'cgroup') return [];
    const controllers = superOptions.split(',').filter((option) => groups.has(option));
    const group = groups.get(controllers[0] ?? 'none');
    return [{ version: 1, controllers, top: path, own: below(path, root, group) }];
  });
}

/** From a controller (empty for version 2) to the group that the process is in. */
function groupsOf(pid: number): Map<string, string> {
  const text = unlessErrno(['ENOENT', 'ESRCH', 'EACCES'], () => readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '';
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, controllers, group] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return (controllers ?? 'none').split(',').map((name) => [name, group ?? '/'] as const);
    }),
  );
}

/** A mount may show a part of the tree only, and the group may lie outside of it. */
function below(mounted: string, root: string, group: string | undefined): string | undefined {
  if (group === undefined) return undefined;
  const rest = relative(root, group);
  return rest.startsWith('..') ? undefined : join(mounted, rest);
}

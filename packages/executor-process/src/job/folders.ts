import { join } from 'node:path';

/** Where the folders of one job lie on the host. All but `root` belong to the job's user. */
export interface JobFolders {
  readonly root: string;
  /** Where the job's own file system is mounted, which holds workspace, home and tmp. */
  readonly disk: string | undefined;
  readonly workspace: string;
  readonly home: string;
  readonly tmp: string;
  /** passwd, group and hosts, made for this job. */
  readonly etc: string;
  /** In memory; holds `privateDir` and the folders of tools. */
  readonly memory: string;
  readonly privateDir: string;
}

export function jobFolders(sandboxes: string, memory: string, sandboxId: string, ownDisk: boolean): JobFolders {
  const root = join(sandboxes, sandboxId);
  const disk = ownDisk ? join(root, 'disk') : undefined;
  const base = disk ?? root;
  return {
    root,
    disk,
    workspace: join(base, 'workspace'),
    home: join(base, 'home'),
    tmp: join(base, 'tmp'),
    etc: join(root, 'etc'),
    memory: join(memory, sandboxId),
    privateDir: join(memory, sandboxId, 'private'),
  };
}

import { join } from 'node:path';

/** Where the folders of one job lie on the host. All but `root` belong to the job's user. */
export interface JobFolders {
  readonly root: string;
  readonly workspace: string;
  readonly home: string;
  readonly tmp: string;
  /** passwd, group and hosts, made for this job. */
  readonly etc: string;
  /** In memory; holds `privateDir` and the folders of tools. */
  readonly memory: string;
  readonly privateDir: string;
}

export function jobFolders(sandboxes: string, memory: string, sandboxId: string): JobFolders {
  const root = join(sandboxes, sandboxId);
  return {
    root,
    workspace: join(root, 'workspace'),
    home: join(root, 'home'),
    tmp: join(root, 'tmp'),
    etc: join(root, 'etc'),
    memory: join(memory, sandboxId),
    privateDir: join(memory, sandboxId, 'private'),
  };
}

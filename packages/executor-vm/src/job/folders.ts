import { join } from 'node:path';

/** Where the folders of one job lie on the host. */
export interface JobFolders {
  readonly root: string;
  /** What the disk is filled with: holds the workspace. Belongs to the job's user. */
  readonly content: string;
  readonly workspace: string;
  /** HOME and TMPDIR of tools. Belong to the job's user. */
  readonly home: string;
  readonly tmp: string;
  readonly disk: string;
  /** Where collected files wait for their upload. */
  readonly spool: string;
  readonly resolver: string;
  readonly kvmNode: string;
  /** In memory: files of tools. */
  readonly memory: string;
}

export function jobFolders(sandboxes: string, memory: string, sandboxId: string): JobFolders {
  const root = join(sandboxes, sandboxId);
  return {
    root,
    content: join(root, 'content'),
    workspace: join(root, 'content/workspace'),
    home: join(root, 'home'),
    tmp: join(root, 'tmp'),
    disk: join(root, 'disk'),
    spool: join(root, 'spool'),
    resolver: join(root, 'resolv.conf'),
    kvmNode: join(root, 'kvm'),
    memory: join(memory, sandboxId),
  };
}

import { join } from 'node:path';

/** Where the things of one job lie on the host. */
export interface JobFolders {
  readonly root: string;
  /** What counts against the disk limit: a loop volume where there is one. */
  readonly disk: string;
  readonly diskImage: string;
  readonly workspace: string;
  readonly home: string;
  /** In memory; holds all below. */
  readonly memory: string;
  readonly privateDir: string;
  /** The FIFOs and the script of the supervisor of each container. */
  readonly supervisor: (container: ContainerRole) => string;
  readonly tools: string;
  /** Seen by no container: what the agent after this one needs to know of the job. */
  readonly facts: string;
}

export type ContainerRole = 'job' | 'tool';

export function jobFolders(sandboxes: string, memory: string, sandboxId: string): JobFolders {
  const root = join(sandboxes, sandboxId);
  const disk = join(root, 'disk');
  const inMemory = join(memory, sandboxId);
  return {
    root,
    disk,
    diskImage: join(root, 'disk.img'),
    workspace: join(disk, 'workspace'),
    home: join(disk, 'home'),
    memory: inMemory,
    privateDir: join(inMemory, 'private'),
    supervisor: (container) => join(inMemory, `supervisor-${container}`),
    tools: join(inMemory, 'tools'),
    facts: join(inMemory, 'job.json'),
  };
}

import type { Readable } from 'node:stream';
import type { Network } from '@ritmo/agent-core/executor';
import type { Cgroup, JobNetwork, Owner } from '@ritmo/host-linux';
import type { JobFolders } from '../job/folders.js';
import type { CommandShape } from '../step/attempt.js';
import type { Started, StartSpec } from '../step/start.js';
import type { ProcessTree } from '../step/tree.js';

/** Paths as the processes of a job see them. */
export interface InsidePaths {
  readonly workspace: string;
  readonly home: string;
  readonly tmp: string;
  readonly privateDir: string;
  /** Where the folder of a tool lies; `folder` is its path on the host. */
  tool(folder: string): string;
}

/** What a level needs to know of a job. */
export interface JobView {
  readonly user: Owner;
  readonly folders: JobFolders;
  readonly network: Network;
  /** `NAME=value` in the first environment of every process of the job: how strays are found. */
  readonly mark: string;
  /** What bounds and counts its processes, where the host has control groups for us. */
  readonly group: Cgroup | undefined;
  /** Its way out, with network `isolated`. */
  readonly privateNetwork: JobNetwork | undefined;
  /** Milliseconds until it may not run any more, its agent or not. */
  readonly leftMs: number;
  /** Bytes of /dev/shm. */
  readonly shmBytes: number | undefined;
}

/** How the processes of a job are confined: the one thing in which `sandbox` and `bare` differ. */
export interface Level {
  readonly name: 'sandbox' | 'bare';
  readonly networks: readonly Network[];
  /** One line for the log of a job. */
  describe(network: Network): string;
  inside(folders: JobFolders): InsidePaths;
  /** Makes what the level needs in the folders of a new job. */
  prepareFolders(folders: JobFolders, user: Owner): void;
  /** Puts the operator's binds in place; called before every command, when nothing of the job runs. */
  place(job: JobView): void;
  /** What to start for a command that is known by its shape only: it waits for the rest. */
  startSpec(job: JobView, shape: CommandShape): StartSpec;
  /** The processes of a command that was started. */
  tree(job: JobView, started: Started, status: Readable): ProcessTree;
}

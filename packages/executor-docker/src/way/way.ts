import type {
  PrepareScope,
  Sandbox,
  SandboxId,
  SandboxRecord,
  SandboxRequest,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';

/** One job, by the way that it is run. */
export interface WayJob extends AsyncDisposable {
  readonly id: SandboxId;
  readonly request: SandboxRequest;
  /** Who steps run as, inside. */
  readonly user: Owner;
  /** Whether it was to be disposed and something of it would not go, as when the daemon was away. */
  readonly stuck: boolean;
  /** Makes the first folder: from here on there is something to clean up. */
  makeRoot(): void;
  record(executor: string): SandboxRecord;
  /** The workspace, empty: `allocate` of the contract. */
  allocate(scope: PrepareScope): Promise<WorkspaceVolume>;
  /** Starts all that steps need: `prepare` of the contract. */
  start(scope: PrepareScope): Promise<void>;
  /** `detached` is told when the sandbox was left to the agent after this one. */
  sandbox(description: string, detached: () => void): Sandbox;
  /** Throws RITMO_SANDBOX_BROKEN once it is disposed. */
  assertUsable(): void;
}

export interface Adopted {
  readonly job: WayJob;
  readonly runningStep?: string | undefined;
}

/**
 * How jobs are run on a daemon. `fifo`: daemon and agent share a file system, and the folders of a job are folders of
 * this host. `remote`: all goes through the daemon's API.
 */
export interface Way {
  readonly name: 'fifo' | 'remote';
  newJob(request: SandboxRequest, onDisposed: (job: WayJob) => void): WayJob;
  /** Present where a job that another agent process has started can be taken up; undefined where it is gone. */
  readonly recover?: (id: SandboxId, onDisposed: (job: WayJob) => void) => Promise<Adopted | undefined>;
  /** Names of what may be sandboxes of this installation. */
  found(): Promise<string[]>;
  /** Removes a sandbox that is not open. */
  remove(id: SandboxId): Promise<void>;
  /** What is gone without which no job can run, in a sentence. */
  problem(): string | undefined;
  /** Each part on its own; answers what went wrong. `detached` jobs were left to the agent after this one. */
  close(left: { readonly open: number; readonly detached: number }): Promise<PromiseSettledResult<unknown>[]>;
}

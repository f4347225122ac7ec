import type { Executor, ExecutorHost, SandboxRequest } from '@ritmo/agent-core/executor';

/** What is checked: an executor, and a witness that does not trust it. */
export interface ConformanceSubject {
  /** Shown in the report. */
  readonly name: string;
  /** Opens a new executor; called at least once for each case, each time with an owner and a folder of its own. */
  open(host: ExecutorHost): Promise<Executor>;
  /**
   * Names every resource of that owner that still exists: processes, containers, folders, mounts. It must not ask
   * the executor, and must name the same resource by the same words each time. `stateDir` is the folder that the
   * executors of this owner were lent.
   */
  residue(ownerId: string, stateDir: string): Promise<readonly string[]>;
  /** Multiplies every bound of time; 1 by default. A VM that boots in seconds takes 5 or so. */
  readonly timeScale?: number;
  /** Image that requests name where the executor declares images. */
  readonly image?: string;
  /** POSIX shell inside the sandbox; `/bin/sh` by default. */
  readonly shell?: string;
  /** Laid over every request that is meant to be accepted: limits that the executor needs, a network, a profile. */
  readonly request?: Partial<SandboxRequest>;
}

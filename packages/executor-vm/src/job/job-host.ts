import type { Clock, Logger } from '@ritmo/agent-core/executor';
import type { Cgroups, Networks, UserPool } from '@ritmo/host-linux';
import type { Images } from '../image/images.js';
import type { MachineHost } from '../machine/factory.js';
import type { ResolvedOptions } from '../options.js';
import type { Templates } from '../template/templates.js';

/** What jobs share: the tools of this host, and what was tried on it. */
export interface JobHost {
  readonly clock: Clock;
  readonly log: Logger;
  readonly options: ResolvedOptions;
  readonly ownerId: string;
  readonly machines: MachineHost;
  readonly mke2fs: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** In words, for the logs of jobs: which accelerator, and why. */
  readonly acceleratorWhy: string;
  readonly templates: Templates;
  readonly images: Images;
  readonly users: UserPool;
  /** Undefined where this host has no control groups for us. */
  readonly cgroups: Cgroups | undefined;
  /** Undefined where `isolated` cannot be had. */
  readonly networks: Networks | undefined;
}

/** Whether the agent may give machines a user of their own. */
export const isRoot = () => process.getuid?.() === 0;

/** `NAME=value` in the environment of all processes of a job. */
export const markOf = (ownerId: string, sandboxId: string) => `RITMO_VM=${ownerId}/${sandboxId}`;

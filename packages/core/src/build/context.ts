import type { Job } from '@ritmo/protocol';
import type { AgentEvents } from '../agent/events.js';
import type { AgentPolicy } from '../agent/options.js';
import type { ArtifactStore } from '../artifact/store.js';
import type { CacheStore } from '../cache/store.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor } from '../executor/plugin.js';
import type { SecretSource } from '../secrets/provider.js';
import type { StateDir } from '../journal/state-dir.js';
import type { Transport } from '../transport/transport.js';

/** What the agent lends to each of its builds. */
export interface BuildContext {
  readonly transport: Transport;
  /** The first is the default. */
  readonly executors: readonly Executor[];
  readonly artifacts: ArtifactStore | undefined;
  readonly caches: CacheStore | undefined;
  readonly policy: AgentPolicy;
  /** What the operator gives beside what comes with jobs. */
  readonly secrets: SecretSource;
  readonly state: StateDir;
  /**
   * Promises the job its limits until disposed, before it is accepted; one that `runs` already has them.
   * @throws RITMO_NO_ROOM, RITMO_EXECUTOR_UNAVAILABLE
   */
  readonly reserve: (job: Job, runs: boolean) => Disposable;
  /** Told when an executor turned out not to work: the agent asks it at once. */
  readonly doubt: () => void;
  /** Name of the worker. */
  readonly worker: string;
  readonly version: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Aborted when the agent gives up telling the server; what is not told stays in the journal. */
  readonly reporting: AbortSignal;
  /** Whether anybody listens: what costs time is then left out. */
  readonly listens: (name: keyof AgentEvents) => boolean;
  readonly emit: <Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name][0]) => void;
}

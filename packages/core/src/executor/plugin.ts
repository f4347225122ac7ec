import type { ExecutorHost } from './host.js';
import type { LimitName, Network, SandboxId, SandboxRequest } from './request.js';
import type { EndedSandbox, PrepareScope, Sandbox, SandboxRecord, WorkspaceVolume } from './sandbox.js';

/** The part of Standard Schema we rely on; every zod 4 schema satisfies it. */
export interface ConfigSchema<Out> {
  /** See https://standardschema.dev. */
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
  };
}
/** What a schema says of a value: the value with its defaults, or what is wrong with it. */
export type SchemaResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | {
      readonly issues: ReadonlyArray<{
        readonly message: string;
        readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
      }>;
    };

/** Default export of an executor package; what `--isolation=NAME` loads. */
export interface ExecutorPlugin<Options = unknown> {
  /** Tells a plugin from any other object. */
  readonly kind: 'ritmo.executor';
  /** What jobs write under `isolation:`. */
  readonly name: string;
  /** Of the package, for reports. */
  readonly version: string;
  /** Revision of this contract that it was written against; core refuses one that it cannot serve. */
  readonly contract: 1;
  /** What an operator may set; a wrong option is refused in its words. */
  readonly options: ConfigSchema<Options>;
  /** Rejects with RITMO_EXECUTOR_UNAVAILABLE where the host cannot do what the options demand. */
  create(options: Options, host: ExecutorHost): Executor | Promise<Executor>;
}

/** A plugin with options that already passed its schema: what `processExecutor({...})` returns. */
export interface ExecutorBinding {
  /** What jobs write under `isolation:`. */
  readonly name: string;
  /** Makes the one executor of an agent. Rejects as `ExecutorPlugin.create` does. */
  open(host: ExecutorHost): Promise<Executor>;
}

/** One live connection of an agent to what isolates its jobs. */
export interface Executor extends AsyncDisposable {
  /** That of its plugin. */
  readonly name: string;
  /** The same for as long as it lives. */
  readonly capabilities: ExecutorCapabilities;
  /**
   * Only reads, safe while jobs run. What must be tried is tried once in `create`, and bounded; a trial that takes
   * seconds is kept for the next start, by boot id and by what it was tried with.
   */
  probe(signal: AbortSignal): Promise<ProbeReport>;
  /**
   * Makes the empty workspace with its owner and its disk limit; core then fills it (checkout, caches) as
   * that owner, and `prepare` builds the sandbox around it. Both refuse with RITMO_EXECUTOR_UNSUPPORTED what
   * is not declared, and leave nothing behind when they fail or are aborted. A volume that never reached
   * `prepare` is given back with its own dispose; after `prepare` it belongs to the sandbox.
   */
  allocate(request: SandboxRequest, scope: PrepareScope): Promise<WorkspaceVolume>;
  /** Builds the sandbox around the volume, which belongs to it from then on. */
  prepare(request: SandboxRequest, volume: WorkspaceVolume, scope: PrepareScope): Promise<Sandbox>;
  /** Destroys every resource marked with our ownerId whose sandbox is not in `keep`. Idempotent. */
  sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport>;
  /** Present exactly when `capabilities.recover`: re-adopts a sandbox after an agent crash or upgrade. */
  recover?(record: SandboxRecord, scope: PrepareScope): Promise<RecoverOutcome>;
  /**
   * Called before `sweep`, which keeps what is answered: ends all that is left of a sandbox whose steps had ended when
   * the agent died, and gives its files out once more. Undefined where they are gone, or anything could still change them.
   */
  reopen?(record: SandboxRecord, signal: AbortSignal): Promise<EndedSandbox | undefined>;
}

/** Facts, used to match and to refuse. What is asked and not declared is refused, never weakened. */
export interface ExecutorCapabilities {
  /** What stands between a job and the host; `none` where nothing does. */
  readonly isolation: 'none' | 'namespace' | 'container' | 'vm';
  /** For jobs that name none; one of `network`. */
  readonly defaultNetwork: Network;
  /** Whether jobs may name an image. */
  readonly images: boolean;
  /** Whether jobs may have services. */
  readonly services: boolean;
  /** What jobs may ask for. */
  readonly network: readonly Network[];
  /** Limits that are kept, not only noted. */
  readonly limits: readonly LimitName[];
  /** What the steps run on. */
  readonly os: ReadonlyArray<'linux' | 'windows' | 'darwin'>;
  /** Processors that the steps may be made for. */
  readonly arch: ReadonlyArray<'x64' | 'arm64'>;
  /** Whether stdout and stderr come apart. */
  readonly separateStderr: boolean;
  /** Whether a job goes on while no agent is there. */
  readonly recover: boolean;
}

/** How an executor is. */
export interface ProbeReport {
  /** undetected: never seen here; unavailable: was there, or is installed, and does not answer. */
  readonly health: 'healthy' | 'degraded' | 'unavailable' | 'undetected';
  /** One sentence with the reason, and what to do. */
  readonly detail: string;
  /** For `doctor` and bug reports: versions, what was found. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** `runningStep` is the step that was begun last; its end may be known to the agent already. `gone` is left to the sweep. */
export type RecoverOutcome =
  | { readonly outcome: 'adopted'; readonly sandbox: Sandbox; readonly runningStep?: string }
  | { readonly outcome: 'gone' };

/** What a sweep came to. */
export interface SweepReport {
  /** What is gone. */
  readonly removed: readonly SandboxId[];
  /** What could not be removed; the next sweep tries again. */
  readonly failed: ReadonlyArray<{ readonly id: SandboxId; readonly error: Error }>;
}

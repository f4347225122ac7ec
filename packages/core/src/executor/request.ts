/** Id of a job, chosen by the server: `[A-Za-z0-9_-]{1,64}`. */
export type JobId = string;
/** Id of a sandbox, chosen by core: `[a-z0-9-]{1,64}`, unique for ever. */
export type SandboxId = string;

/** Why work is stopped. Travels as `AbortSignal.reason`, in a `CancelCause`; the first reason wins. */
export type CancelReason =
  | 'user'
  | 'superseded'
  | 'job-timeout'
  | 'step-timeout'
  | 'agent-stopping'
  | 'lease-lost'
  | 'limit';

/** What core puts into `AbortController.abort()` when it stops work of a build. */
export interface CancelCause {
  /** Who or what ended it. */
  readonly reason: CancelReason;
  /** Between stop signal and kill, in milliseconds; wins over the grace of the step where present. */
  readonly graceMs?: number;
}

/** What a job may reach: the host's own network, the outside and nothing of the host, or nothing. */
export type Network = 'host' | 'isolated' | 'none';
/** What an executor can hold a job to. */
export type LimitName = 'cpu' | 'memory' | 'pids' | 'disk';

/** All that a job asks of its executor, validated and within the operator's policy. */
export interface SandboxRequest {
  /** The job that it is for. */
  readonly jobId: JobId;
  /** Number of the attempt, from 1. */
  readonly epoch: number;
  /** What the sandbox, and all that is made for it, is to be called. */
  readonly sandboxId: SandboxId;
  /** From 0 to maxConcurrent − 1; no two sandboxes of an agent hold the same at once. */
  readonly slot: number;
  /** What the job runs in; only for executors that declare images. */
  readonly image?: ImageRequest;
  /** What runs beside the job; only for executors that declare services. */
  readonly services: readonly ServiceRequest[];
  /** One that the executor declares. */
  readonly network: Network;
  /** Of all steps together; only those that the executor declares. */
  readonly limits: ResourceLimits;
  /** `hardened`: steps are never root, and write to nothing but what is the job's own. */
  readonly profile: 'standard' | 'hardened';
  /** Milliseconds from now after which the sandbox may end itself when its agent never comes back. */
  readonly deadlineMs: number;
  /** What becomes of the job when its worker is lost: `requeue` means that another may run it then. */
  readonly onLost: 'fail' | 'requeue';
  /** How many steps are planned, where known: an executor may make ready for the next one ahead. It is no promise. */
  readonly steps?: number;
  /**
   * For `requeue`: milliseconds without a sign of the agent after which the sandbox ends itself, since another worker may
   * have the job. The executor gives the sign for as long as the agent runs.
   */
  readonly lostAfterMs?: number;
}

/** The image of a job or a service. */
export interface ImageRequest {
  /** Tried in this order: ['always', 'if-not-present'] falls back to a local copy. */
  readonly pull: readonly ('always' | 'if-not-present' | 'never')[];
  /** As the job writes it: `[registry/]name[:tag][@sha256:…]`. */
  readonly reference: string;
  /** For its registry; without it the executor's own. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** A container that runs beside the steps, from before the first to after the last. */
export interface ServiceRequest {
  /** Its host name inside the job. */
  readonly name: string;
  /** What it runs in. */
  readonly image: ImageRequest;
  /** Added to that of its image. */
  readonly env: Readonly<Record<string, string>>;
  /** Instead of the image's own. */
  readonly command?: readonly string[];
  /** Of its own, beside those of the job. */
  readonly limits: ResourceLimits;
  /** Whether it sees the workspace. */
  readonly workspace: boolean;
  /** When it counts as ready: a command in it ends with 0, a port is open. Without it, when it has started. */
  readonly ready?: { readonly command?: readonly string[]; readonly tcpPort?: number; readonly timeoutMs: number };
}

/** An absent limit is the executor's default, said in its documentation. */
export interface ResourceLimits {
  /** Processors, also parts of one. */
  readonly cpus?: number;
  /** Memory of all processes together, without swap. */
  readonly memoryBytes?: number;
  /** Processes and threads at once. */
  readonly pids?: number;
  /** What the job may write, workspace included. */
  readonly diskBytes?: number;
  /** Size of /tmp. */
  readonly tmpBytes?: number;
  /** Size of /dev/shm. */
  readonly shmBytes?: number;
}

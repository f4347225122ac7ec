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
  readonly reason: CancelReason;
  /** Between stop signal and kill, in milliseconds; wins over the grace of the step where present. */
  readonly graceMs?: number;
}

export type Network = 'host' | 'isolated' | 'none';
export type LimitName = 'cpu' | 'memory' | 'pids' | 'disk';

/** All that a job asks of its executor, validated and within the operator's policy. */
export interface SandboxRequest {
  readonly jobId: JobId;
  readonly epoch: number;
  readonly sandboxId: SandboxId;
  /** From 0 to maxConcurrent − 1; no two sandboxes of an agent hold the same at once. */
  readonly slot: number;
  readonly image?: ImageRequest;
  readonly services: readonly ServiceRequest[];
  readonly network: Network;
  readonly limits: ResourceLimits;
  readonly profile: 'standard' | 'hardened';
  /** Milliseconds from now after which the sandbox may end itself when its agent never comes back. */
  readonly deadlineMs: number;
  readonly onLost: 'fail' | 'requeue';
  /** How many steps are planned, where known: an executor may make ready for the next one ahead. It is no promise. */
  readonly steps?: number;
}

export interface ImageRequest {
  /** Tried in this order: ['always', 'if-not-present'] falls back to a local copy. */
  readonly pull: readonly ('always' | 'if-not-present' | 'never')[];
  readonly reference: string;
  readonly auth?: { readonly username: string; readonly password: string };
}

export interface ServiceRequest {
  readonly name: string;
  readonly image: ImageRequest;
  readonly env: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly limits: ResourceLimits;
  readonly workspace: boolean;
  readonly ready?: { readonly command?: readonly string[]; readonly tcpPort?: number; readonly timeoutMs: number };
}

/** An absent limit is the executor's default, said in its documentation. */
export interface ResourceLimits {
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
  readonly diskBytes?: number;
  readonly tmpBytes?: number;
  readonly shmBytes?: number;
}

import type {
  Adoption,
  AdoptionRequest,
  AppendAnswer,
  ArtifactFile,
  ArtifactPlan,
  ClaimRequest,
  HeartbeatAnswer,
  JobResult,
  Offer,
  Registration,
  Seal,
  WorkerEvent,
  WorkerInfo,
  WorkerPatch,
  WorkerStatus,
} from '@ritmo/protocol';

/** The right of this worker to run one attempt of a job. */
export interface Lease {
  /** The job. */
  readonly jobId: string;
  /** Number of the attempt, from 1. */
  readonly epoch: number;
  /** The job token: lives as long as the epoch, and is never written to disk. */
  readonly token: string;
  /** How long it lives after each renewal, in milliseconds. */
  readonly ttlMs: number;
}

/** Why an offer is handed back. */
export interface ReleaseCause {
  /** A code of the table of errors. */
  readonly code: string;
  /** One sentence for whoever waits for the job. */
  readonly message: string;
  /** How long this worker does not want it again, in milliseconds. */
  readonly retryAfterMs?: number;
}

/**
 * The worker API, or another way to the same ends. Every write is idempotent and carries the lease; a stale
 * lease rejects with RITMO_FENCED. Calls retry what may be retried by themselves until `signal` is aborted, so a
 * rejection is the server's word or the signal's reason. Closing a transport ends what still waits in it, and may be done
 * twice. `@ritmo/transport-testkit` checks what is promised here.
 */
export interface Transport extends AsyncDisposable {
  /** One line, for logs. */
  readonly name: string;
  /** Which server it is, where there may be several: what one gave for a name is not for another. */
  readonly address?: string;
  /** How often a call had to be repeated so far, where the transport counts that. */
  readonly retries?: number;
  /** Says who the worker is. The same instance may register again, and keeps what it has. */
  register(info: WorkerInfo, signal: AbortSignal): Promise<Registration>;
  /** Labels, slots or capabilities have changed. */
  update(patch: WorkerPatch, signal: AbortSignal): Promise<void>;
  /** Waits for work. The same requestId gives the same offers. */
  claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]>;
  /** Takes an offer: no step starts before it is answered. */
  accept(lease: Lease, signal: AbortSignal): Promise<void>;
  /** Hands an offer back before its first step; the attempt does not count. */
  release(lease: Lease, why: ReleaseCause, signal: AbortSignal): Promise<void>;
  /** After a restart: what happens to the leases that the worker still holds. */
  adopt(leases: AdoptionRequest, signal: AbortSignal): Promise<readonly Adoption[]>;
  /** Renews the leases that it names, and says what becomes of each. */
  heartbeat(status: WorkerStatus, signal: AbortSignal): Promise<HeartbeatAnswer>;
  /** Cancel, drain, resume as they happen; ends or rejects when the connection does, and is opened again by the caller. */
  events(signal: AbortSignal): AsyncIterable<WorkerEvent>;
  /** Bytes of the masked log from `offset` on; answers the offset that is wanted next, also after a gap. */
  appendLog(lease: Lease, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<AppendAnswer>;
  /** The offset that is wanted next, without sending. */
  logOffset(lease: Lease, signal: AbortSignal): Promise<number>;
  /** Resolves with nothing when sealed, or with the offset to send again from. */
  sealLog(lease: Lease, seal: Seal, signal: AbortSignal): Promise<{ readonly next: number } | undefined>;
  /** How the build ended. The first word stands; a repeat is harmless. */
  finish(lease: Lease, result: JobResult, signal: AbortSignal): Promise<void>;
  /** The worker leaves; resolves also where it was gone already. */
  deregister(signal: AbortSignal): Promise<void>;
  /** Present where the server takes artifacts: what `apiArtifactStore` stands on. */
  readonly artifacts?: ArtifactTransport;
}

/** Files of a build on their way to the server, or to where it points. */
export interface ArtifactTransport {
  /** Announces files: for each whether it is stored already, or where its bytes go. Announcing again is harmless. */
  plan(lease: Lease, files: readonly ArtifactFile[], signal: AbortSignal): Promise<readonly ArtifactPlan[]>;
  /** One PUT, not retried here: the body may have been read. Answers the ETag where there is one. */
  upload(
    lease: Lease,
    target: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
    body: AsyncIterable<Uint8Array>,
    size: number,
    signal: AbortSignal,
  ): Promise<{ readonly etag?: string }>;
  /** The bytes were sent. Rejects with RITMO_ARTIFACT_UPLOAD where others have arrived. */
  complete(
    lease: Lease,
    artifactId: string,
    done: { readonly sha256: string; readonly etags?: readonly string[] },
    signal: AbortSignal,
  ): Promise<void>;
}

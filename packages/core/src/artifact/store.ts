import type { Lease } from '../transport/transport.js';

/** Where artifacts go: the API server, S3 or MinIO, a folder. */
export interface ArtifactStore extends AsyncDisposable {
  /** For logs and errors. */
  readonly name: string;
  /**
   * Asks whether it would take files, and leaves nothing there. Rejects with RITMO_ARTIFACT_UPLOAD, retryable where it may
   * take some later, or with the signal's reason. Absent where there is nothing to ask.
   */
  check?(signal: AbortSignal): Promise<void>;
  /**
   * One session a build and epoch; `resume` keeps what an interrupted upload needs (part numbers, upload ids). What the
   * `project` has stored, which the server names, need not be sent again.
   */
  open(lease: Lease, resume: JsonStore, project?: string): Promise<ArtifactSession>;
}

/** The artifacts of one attempt on their way. */
export interface ArtifactSession {
  /** Uploads within one bound, in any order; yields each file as it is stored. */
  add(files: AsyncIterable<ArtifactSource>, scope: UploadScope): AsyncIterable<ArtifactRef>;
  /** All files were stored; called once, as the last. */
  commit(): Promise<void>;
  /** Removes what is half stored. Safe at any moment. */
  abort(): Promise<void>;
}

/** What surrounds uploads. */
export interface UploadScope {
  /** Aborted when the files are no longer wanted. */
  readonly signal: AbortSignal;
  /** Bytes sent since the last call. */
  readonly progress: (bytes: number) => void;
}

/** Keeps JSON values over a restart of the agent. */
export interface JsonStore {
  /** The value, or undefined. */
  get(key: string): Promise<unknown>;
  /** Keeps it, in place of what was there. */
  set(key: string, value: unknown): Promise<void>;
}

/** A file on its way out. It can be read again as often as an upload needs, until its session has yielded its ref. */
export interface ArtifactSource {
  /** Name of the artifact in the job. */
  readonly name: string;
  /** Inside the workspace. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** For a link: where it points; `read` then yields nothing. */
  readonly linkTarget?: string;
  /** How long it is to be kept, where the job says so. */
  readonly expireInMs?: number;
  /**
   * Bytes from `start` (0) up to but without `end` (`size`). Rejects when the file changed under it. They may be put into
   * `into`, which has room for all of them, one after the other; what is yielded then lies there.
   */
  read(start?: number, end?: number, into?: Uint8Array): AsyncIterable<Uint8Array>;
  /** Called once the session needs it no more. */
  release(): Promise<void>;
}

/** A file that is stored. */
export interface ArtifactRef {
  /** Of the artifact in the job. */
  readonly name: string;
  /** Inside the workspace. */
  readonly path: string;
  /** Where it lies, for people. */
  readonly uri: string;
  /** In bytes. */
  readonly size: number;
  /** Of its bytes, in hex. */
  readonly sha256: string;
}

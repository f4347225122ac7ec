import type { RitmoError } from '../errors.js';
import type { CancelReason, SandboxId } from './request.js';

/** What surrounds `allocate`, `prepare` and `recover`. */
export interface PrepareScope {
  /** Aborted when the sandbox is no longer wanted; what was made is then taken back. */
  readonly signal: AbortSignal;
  /** Pulls and boots, in words for the job's log ("Pulling node:22, 43 %"). */
  readonly progress: (message: string) => void;
  /** Awaited as soon as the first outside resource exists, before the next is made. */
  readonly record: (record: SandboxRecord) => Promise<void>;
}

/** JSON only. Core journals it; only the executor that wrote it reads `state`. It holds no secret. */
export interface SandboxRecord {
  /** Whose record it is. */
  readonly sandboxId: SandboxId;
  /** Name of the executor that wrote it. */
  readonly executor: string;
  /** Of the shape of `state`, for later versions of the executor. */
  readonly stateVersion: number;
  /** What the executor needs to find the sandbox again. */
  readonly state: Readonly<Record<string, string | number | boolean | null>>;
}

/** The workspace between `allocate` and `prepare`. */
export interface WorkspaceVolume extends AsyncDisposable {
  /** Where core fills it, on this host. */
  readonly hostPath: string;
  /** Path inside the sandbox, absolute. */
  readonly workdir: string;
  /** Who steps run as. */
  readonly uid: number;
  /** Their group. */
  readonly gid: number;
  /**
   * Runs a tool of the host (git) on the workspace as its owner, confined as the job will be and with the
   * job's network: what is checked out is as hostile as what is built. Settles by the rules of `Sandbox.run`.
   */
  runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit>;
}

/** A program of the host that works on a workspace. */
export interface ToolSpec {
  /** argv[0] is a name that is looked up in the host's own path. */
  readonly argv: readonly [string, ...string[]];
  /** All of it; nothing is inherited but PATH, HOME and TMPDIR, which the executor sets. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Files that the tool needs and the workspace must not hold (an askpass program, a token), by their name in
   * the folder that the tool sees in the variable RITMO_TOOL_DIR: memory-backed, gone when the tool has ended.
   */
  readonly files?: Readonly<Record<string, { readonly content: string; readonly mode: number }>>;
  /** Host paths that the tool may read, at the same place inside: a local repository. */
  readonly readOnlyPaths?: readonly string[];
}

/** What one job runs in. */
export interface Sandbox extends AsyncDisposable {
  /** That of the request. */
  readonly id: SandboxId;
  /** Path inside the sandbox of the workspace. */
  readonly workdir: string;
  /** Inside path of a memory-backed folder that no image, disk or inspect call shows: scripts and secret files live here. */
  readonly privateDir: string;
  /** One line for the log of the job: what confines it, and what does not ("process sandbox: bubblewrap, network none"). */
  readonly description: string;
  /** Writes files into the sandbox (under privateDir or workdir), before or between steps. Parents are made. */
  put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void>;
  /** Removes files and folders that `put` wrote; what is not there is no error. Inside paths. */
  remove(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Runs one step. Resolves for every outcome that the step itself can have (failure, signal, cancel); rejects
   * only when the sandbox broke (RITMO_SANDBOX_BROKEN). Once it has settled no process of the step is left, and
   * no further `output.write` happens. One step at a time.
   */
  run(step: StepSpec, scope: StepScope): Promise<StepExit>;
  /**
   * After `recover`: takes up the step that still runs, or whose end was not told. Called once masks are back; before
   * that no byte of it is read. Settles by the rules of `run`; what was printed and not yet read arrives first.
   */
  attach?(stepId: string, scope: StepScope): Promise<StepExit>;
  /**
   * Present exactly where the executor recovers: leaves the sandbox with all that runs in it to the agent after this
   * one. A step that runs rejects with RITMO_SANDBOX_BROKEN, and of what was read nothing is lost. Afterwards nothing
   * can be done with it here, and the executor's own dispose spares it.
   */
  detach?(): Promise<void>;
  /**
   * Present where the files end with the agent: takes out what `collect` will be asked for, one request after the other
   * and all of them within the limits of each, so that `reopen` can give it to an agent after this one. What is over the
   * limits is left to `collect`, which says so.
   */
  gather?(requests: readonly CollectRequest[], signal: AbortSignal): Promise<void>;
  /** Streams matching files out, once everything in the sandbox is ended or frozen. Follows no link out of workdir. */
  collect(request: CollectRequest, signal: AbortSignal): AsyncIterable<CollectedEntry>;
  /** What the job has used so far. */
  usage(signal: AbortSignal): Promise<ResourceUsage>;
  /** Removes everything, the volume too. Never rejects for "already gone"; safe twice and at any moment. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A sandbox of an agent that died, with nothing running in it: its files, until it is disposed. */
export type EndedSandbox = Pick<Sandbox, 'id' | 'collect'> & AsyncDisposable;

/** One command of a job. */
export interface StepSpec {
  /** `[a-z0-9-]{1,64}`, unique in the sandbox. */
  readonly id: string;
  /** Program and arguments, byte for byte; no shell is put before them. */
  readonly argv: readonly [string, ...string[]];
  /** Relative to workdir; workdir where absent. */
  readonly cwd?: string;
  /** All of it but PATH, HOME and TMPDIR, which the executor sets where they are not named here. */
  readonly env: Readonly<Record<string, string>>;
  /** Who runs it, for executors with images; by default the user of the sandbox. */
  readonly user?: string;
}

/** What surrounds a step while it runs. */
export interface StepScope {
  /** Aborted with a `CancelCause` to stop the step: the stop signal, then the kill. */
  readonly signal: AbortSignal;
  /** How it is stopped: the signal, and the milliseconds between it and the kill. */
  readonly stop: { readonly signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'; readonly graceMs: number };
  /** Where its output goes. */
  readonly output: OutputWriter;
}

/** Takes the output of a step as it comes. */
export interface OutputWriter {
  /** A returned promise means "full": await it before reading more from the process. The bytes are the writer's until then. */
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void | Promise<void>;
}

/** How a step ended. `stragglers`: processes that it left behind and that were ended; `forced`: it had to be killed. */
export type StepExit =
  | { readonly status: 'exited'; readonly code: number; readonly limit?: LimitHit; readonly stragglers?: number }
  | { readonly status: 'signalled'; readonly signal: string; readonly limit?: LimitHit; readonly stragglers?: number }
  | { readonly status: 'cancelled'; readonly reason: CancelReason; readonly forced: boolean }
  /** The step's own fault: no such shell, folder or program, or arguments too long (RITMO_STEP_NOT_STARTED). */
  | { readonly status: 'not-started'; readonly error: RitmoError };

/** The limit that ended the step: said in the job's log and in its failure, never left to guess. */
export type LimitHit = 'memory' | 'disk' | 'pids';

interface EntryBase {
  /** Relative, '/'-separated, normalised; never absolute, never with '..'. */
  readonly path: string;
  /** The name as the file system has it, where `path` cannot show it in UTF-8. */
  readonly pathBytes?: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Last change, in milliseconds since 1970. */
  readonly mtimeMs: number;
}
/** A file, with its bytes. */
export interface FileBody extends EntryBase {
  /** Tells it from a link. */
  readonly kind: 'file';
  /** Bytes of `body`. */
  readonly size: number;
  /** Read at most once, before the iteration that yielded the entry goes on. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Present where the bytes can be read at any time until the sandbox is disposed, as often as needed, from
   * `start` up to but without `end`: an upload then needs no copy for a retry. Rejects when the file changed. They may be
   * put into `into`, which has room for all of them, one after the other; what is yielded then lies there.
   */
  readonly range?: (start: number, end: number, into?: Uint8Array) => AsyncIterable<Uint8Array>;
}
/** A symbolic link. */
export interface LinkEntry extends EntryBase {
  /** Tells it from a file. */
  readonly kind: 'link';
  /** As it stands in the link; it stays inside workdir. */
  readonly target: string;
}
/** What is put into a sandbox, or taken out of it. */
export type FileEntry = FileBody | LinkEntry;

/** What matched and cannot be given: a device, a link that leaves, a file that vanished. */
export interface RefusedEntry {
  /** Tells it from what is given. */
  readonly kind: 'refused';
  /** As of a file. */
  readonly path: string;
  /** One sentence for the log of the job. */
  readonly why: string;
  /** Left out by a rule, and nothing that is wrong with the build: `.git`. */
  readonly byRule?: true;
}
/** What `collect` yields. */
export type CollectedEntry = FileEntry | RefusedEntry;

/** Which files are wanted. */
export interface CollectRequest {
  /** Globs over paths relative to workdir; a folder stands for all that it holds. */
  readonly include: readonly string[];
  /** Likewise; what matches is left out. */
  readonly exclude: readonly string[];
  /** Whether `*` matches a leading dot. `.git` of the workspace's root is never matched by a pattern that does not name it. */
  readonly dotfiles: boolean;
  /** Beyond these the iteration rejects with RITMO_ARTIFACT_LIMIT. */
  readonly maxFiles: number;
  /** Of all files together. */
  readonly maxBytes: number;
}

/** What a job has used. */
export interface ResourceUsage {
  /** Processor time of all its steps, in milliseconds. */
  readonly cpuMs: number;
  /** Most memory at once, where it is counted. */
  readonly memoryPeakBytes?: number;
  /** What lies on its disk, where it is counted. */
  readonly diskBytes?: number;
}

import { type Failure, type Job, type JobArtifact, type LogNoteLevel, workspacePath } from '@ritmo/protocol';
import { type Code, RitmoError } from '../errors.js';
import type { CollectedEntry, CollectRequest, FileEntry, Sandbox } from '../executor/sandbox.js';
import { showSize } from '@ritmo/protocol';
import { sourceOf } from './entry-source.js';
import { linkStaysInside } from './link.js';
import type { ArtifactRef, ArtifactSession, ArtifactSource } from './store.js';
import { UploadProgress } from './upload-progress.js';

/** What a job may store. */
export interface ArtifactLimits {
  /** Over all artifacts of the job. */
  readonly maxFiles: number;
  /** Of all files together. */
  readonly maxBytes: number;
}

/** What is stored of a build, and how. */
export interface StoreArtifacts {
  /** Says which files. */
  readonly job: Pick<Job, 'artifacts'>;
  /** Whether the steps succeeded: what `when` of an artifact is held against. */
  readonly succeeded: boolean;
  /** Gives them, once nothing runs in it. */
  readonly sandbox: Pick<Sandbox, 'collect' | 'gather'>;
  /** Takes them. */
  readonly session: ArtifactSession;
  /** Holds copies of files that their executor can give only once. */
  readonly stagingDir: string;
  /** Beyond these nothing is stored. */
  readonly limits: ArtifactLimits;
  /** Says something in the log of the job. */
  readonly note: (level: LogNoteLevel, text: string) => void;
  /** Takes secrets out of paths before they leave the agent. */
  readonly mask?: (text: string) => string;
  /** Told of each file as it is stored. */
  readonly stored?: (ref: ArtifactRef) => void;
  /** Told how far it is, often. */
  readonly progress?: (progress: StoringProgress) => void;
  /** Milliseconds, for notes on long uploads. */
  readonly monotonic?: () => number;
  /** Aborted when the job is over. */
  readonly signal: AbortSignal;
}

/** Files and bytes of the artifacts of one build; what was found grows until all is collected. */
export interface StoringProgress {
  /** Files that matched. */
  readonly foundFiles: number;
  /** Their bytes. */
  readonly foundBytes: number;
  /** Of them, those that are stored. */
  readonly storedFiles: number;
  /** What was sent so far. */
  readonly sentBytes: number;
}

/** What became of the artifacts of a build. */
export interface StoredArtifacts {
  /** Number of files stored. */
  readonly stored: number;
  /** The files that are stored. */
  readonly refs: readonly ArtifactRef[];
  /** Why not everything that should be there is. */
  readonly failure?: Failure;
}

const maxRefusalNotes = 20;
const ownCodes: ReadonlySet<Code> = new Set([
  'RITMO_ARTIFACT_LIMIT',
  'RITMO_ARTIFACT_MISSING',
  'RITMO_ARTIFACT_REFUSED',
  'RITMO_ARTIFACT_UPLOAD',
  'RITMO_DISK_FULL',
  'RITMO_SANDBOX_BROKEN',
]);

/**
 * Collects the artifacts of an ended build and stores them. What went wrong with them is in the answer and in the
 * job's log; rejects only when the job is over (RITMO_FENCED) or with the signal's reason.
 */
export async function storeArtifacts(request: StoreArtifacts): Promise<StoredArtifacts> {
  const collection = new Collection(request);
  const refs: ArtifactRef[] = [];
  try {
    const monotonic = request.monotonic ?? (() => performance.now());
    const progress = new UploadProgress((text) => request.note('info', text), monotonic);
    let sentBytes = 0;
    const told = () => request.progress?.({ ...collection.found, storedFiles: refs.length, sentBytes });
    const sent = (bytes: number) => {
      sentBytes += bytes;
      progress.add(bytes, refs.length);
      told();
    };
    const scope = { signal: request.signal, progress: sent };
    for await (const ref of request.session.add(collection.sources(), scope)) {
      refs.push(ref);
      request.stored?.(ref);
      told();
    }
    await request.session.commit();
  } catch (error) {
    await request.session.abort().catch((left: unknown) => {
      const { code, message } = failureOf(RitmoError.from(left, 'RITMO_ARTIFACT_UPLOAD'), request.mask);
      request.note('warn', `What was half stored could not be removed: ${message} (${code})`);
    });
    request.signal.throwIfAborted();
    const known = RitmoError.from(error, 'RITMO_ARTIFACT_UPLOAD');
    if (known.code === 'RITMO_FENCED') throw known;
    const failure = failureOf(known, request.mask);
    request.note('error', `${failure.message} (${failure.code}; ${refs.length} files were stored)`);
    return { stored: refs.length, refs, failure };
  }
  const missing = collection.report(refs);
  return { stored: refs.length, refs, ...(missing === undefined ? {} : { failure: missing }) };
}

/** One pass over the artifacts of a job, within the limits of the job as a whole. */
class Collection {
  readonly #request: StoreArtifacts;
  readonly #wanted: readonly JobArtifact[];
  readonly #matched = new Map<string, number>();
  #files = 0;
  #bytes = 0;
  #refused = 0;

  constructor(request: StoreArtifacts) {
    this.#request = request;
    const now = request.succeeded ? 'success' : 'failure';
    this.#wanted = request.job.artifacts.filter(({ when }) => when === 'always' || when === now);
  }

  get found(): Pick<StoringProgress, 'foundFiles' | 'foundBytes'> {
    return { foundFiles: this.#files, foundBytes: this.#bytes };
  }

  async *sources(): AsyncGenerator<ArtifactSource> {
    const { sandbox, signal } = this.#request;
    if (this.#wanted.length > 0)
      await sandbox.gather?.(
        this.#wanted.map((artifact) => this.#asked(artifact)),
        signal,
      );
    for (const artifact of this.#wanted) yield* this.#sourcesOf(artifact);
  }

  /** Notes what was stored; the failure for required artifacts of which nothing was there. */
  report(refs: readonly ArtifactRef[]): Failure | undefined {
    const { note } = this.#request;
    if (this.#refused > maxRefusalNotes) note('warn', `${this.#refused - maxRefusalNotes} more files were refused.`);
    for (const { name, paths } of this.#wanted) {
      const mine = refs.filter((ref) => ref.name === name);
      const bytes = mine.reduce((sum, ref) => sum + ref.size, 0);
      if (mine.length > 0)
        note('info', `Artifact ${name}: stored ${counted(mine.length, 'file')}, ${showSize(bytes)}.`);
      else note('warn', `Artifact ${name}: nothing matched ${paths.join(', ')}.`);
    }
    const missing = this.#wanted.filter(({ name, required }) => required && !this.#matched.has(name));
    if (missing.length === 0) return undefined;
    const names = missing.map(({ name }) => name).join(', ');
    const error = new RitmoError(
      'RITMO_ARTIFACT_MISSING',
      `Nothing matched the required ${missing.length === 1 ? 'artifact' : 'artifacts'} ${names}.`,
    );
    return failureOf(error, this.#request.mask);
  }

  async *#sourcesOf(artifact: JobArtifact): AsyncGenerator<ArtifactSource> {
    const { sandbox, signal, stagingDir, note, mask = (text: string) => text } = this.#request;
    const { name, expireIn } = artifact;
    const expiry = expireIn === undefined ? {} : { expireInMs: expireIn };
    const seen = new Set<string>();
    for await (const entry of sandbox.collect(this.#asked(artifact), signal)) {
      signal.throwIfAborted();
      const path = mask(entry.path);
      const why = refusalOf(entry, path, seen);
      if (entry.kind === 'refused' && entry.byRule) {
        note('info', `Artifact ${name}: ${JSON.stringify(path)} is left out: ${entry.why}.`);
        continue;
      }
      if (entry.kind === 'refused' || why !== undefined) {
        this.#refuse(name, path, why ?? 'it is refused');
        continue;
      }
      seen.add(path);
      this.#count(entry);
      this.#matched.set(name, (this.#matched.get(name) ?? 0) + 1);
      const shown = entry.kind === 'link' ? { ...entry, target: mask(entry.target) } : entry;
      yield await sourceOf(shown, { name, path, ...expiry }, stagingDir, signal);
    }
  }

  /** Within what the artifacts before have left of the limits. */
  #asked({ paths, exclude, dotfiles }: JobArtifact): CollectRequest {
    const { maxFiles, maxBytes } = this.#request.limits;
    return {
      include: paths,
      exclude,
      dotfiles,
      maxFiles: maxFiles - this.#files,
      maxBytes: maxBytes - this.#bytes,
    };
  }

  #refuse(name: string, path: string, why: string): void {
    this.#refused++;
    if (this.#refused > maxRefusalNotes) return;
    this.#request.note(
      'warn',
      `Artifact ${name}: ${JSON.stringify(path)} is not stored: ${why} (RITMO_ARTIFACT_REFUSED)`,
    );
  }

  #count(entry: FileEntry): void {
    const { maxFiles, maxBytes } = this.#request.limits;
    this.#files++;
    this.#bytes += entry.kind === 'file' ? entry.size : 0;
    if (this.#files > maxFiles)
      throw new RitmoError('RITMO_ARTIFACT_LIMIT', `The artifacts are more than ${counted(maxFiles, 'file')}.`);
    if (this.#bytes > maxBytes)
      throw new RitmoError('RITMO_ARTIFACT_LIMIT', `The artifacts are larger than ${showSize(maxBytes)}.`);
  }
}

function refusalOf(entry: CollectedEntry, path: string, seen: ReadonlySet<string>): string | undefined {
  if (entry.kind === 'refused') return entry.why;
  if (!workspacePath.safeParse(path).success) return 'its name is not a path inside the workspace';
  if (seen.has(path)) return 'another file has the same name as far as it can be shown';
  if (entry.kind === 'link' && !linkStaysInside(entry.path, entry.target)) return 'the link leaves the workspace';
  return undefined;
}

function failureOf(error: RitmoError, mask: (text: string) => string = (text) => text): Failure {
  const code = ownCodes.has(error.code) ? error.code : 'RITMO_ARTIFACT_UPLOAD';
  const { retryable, hint } = error;
  return { code, message: mask(error.message), retryable, ...(hint === '' ? {} : { hint }) };
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

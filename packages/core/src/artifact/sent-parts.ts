import { z } from 'zod';
import type { JsonStore } from './store.js';

/** ETags by the index of the part, from 0. */
const upload = z.object({ uploadId: z.string(), partSize: z.int(), etags: z.record(z.string(), z.string()) });
const record = z.record(z.string(), upload);
type Kept = z.output<typeof upload>;

const journalKey = 'api';
/** A part is journalled after so long at the latest; what was not is sent again after a crash. */
const everyMs = 1000;

/** Parts that arrived of the files of one build, kept over a restart of the agent. */
export class SentParts {
  readonly #journal: JsonStore;
  readonly #files: Map<string, Kept>;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(journal: JsonStore, files: Record<string, Kept>) {
    this.#journal = journal;
    this.#files = new Map(Object.entries(files));
  }

  /** What cannot be read counts as nothing. */
  static async open(journal: JsonStore): Promise<SentParts> {
    const kept = record.safeParse(await journal.get(journalKey));
    return new SentParts(journal, kept.success ? kept.data : {});
  }

  /** Those of the very upload: parts of another are of no use to it. */
  find(artifactId: string, uploadId: string, partSize: number): ReadonlyMap<number, string> {
    const kept = this.#files.get(artifactId);
    if (kept?.uploadId !== uploadId || kept.partSize !== partSize) return new Map();
    return new Map(Object.entries(kept.etags).map(([index, etag]) => [Number(index), etag]));
  }

  add(artifactId: string, uploadId: string, partSize: number, index: number, etag: string): void {
    let kept = this.#files.get(artifactId);
    if (kept?.uploadId !== uploadId || kept.partSize !== partSize) kept = { uploadId, partSize, etags: {} };
    kept.etags[index] = etag;
    this.#files.set(artifactId, kept);
    // What cannot be written now is with the next write, and else sent again after a crash.
    this.#timer ??= setTimeout(() => void this.#write().catch(() => undefined), everyMs).unref();
  }

  /** The file is complete, or its upload of no use any more. */
  forget(artifactId: string): void {
    if (!this.#files.delete(artifactId)) return;
    this.#timer ??= setTimeout(() => void this.#write().catch(() => undefined), everyMs).unref();
  }

  /** Writes nothing more by itself. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #write(): Promise<void> {
    this.#timer = undefined;
    const write = () => this.#journal.set(journalKey, Object.fromEntries(this.#files));
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}

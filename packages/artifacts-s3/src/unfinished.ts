import type { JsonStore } from '@ritmo/agent-core';
import { z } from 'zod';

const entry = z.object({
  key: z.string(),
  uploadId: z.string(),
  size: z.int(),
  partSize: z.int(),
  /** By their number. */
  parts: z.record(z.string(), z.object({ etag: z.string(), sha256: z.string() })),
});
const record = z.record(z.string(), entry);

/** A multipart upload that is not complete. */
export type UnfinishedUpload = z.output<typeof entry>;

const journalKey = 's3';
/** Parts are journalled so often at most; the rest is sent again after a crash. */
const everyMs = 1000;

/** The multipart uploads of one build that are not complete, kept over a restart of the agent. */
export class Unfinished {
  readonly #journal: JsonStore;
  readonly #uploads: Map<string, UnfinishedUpload>;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  private constructor(journal: JsonStore, uploads: Map<string, UnfinishedUpload>) {
    this.#journal = journal;
    this.#uploads = uploads;
  }

  /** What cannot be read counts as nothing. */
  static async open(journal: JsonStore): Promise<Unfinished> {
    const kept = record.safeParse((await journal.get(journalKey)) ?? {});
    return new Unfinished(journal, new Map(kept.success ? Object.entries(kept.data) : []));
  }

  get all(): readonly UnfinishedUpload[] {
    return [...this.#uploads.values()];
  }

  find(id: string): UnfinishedUpload | undefined {
    return this.#uploads.get(id);
  }

  /** On disk when it settles: no upload is begun that nobody would know of. */
  async begin(id: string, upload: UnfinishedUpload): Promise<void> {
    this.#uploads.set(id, upload);
    await this.#write();
  }

  async partSent(id: string, number: number, part: { etag: string; sha256: string }): Promise<void> {
    const upload = this.#uploads.get(id);
    if (!upload) return;
    upload.parts[number] = part;
    if (performance.now() - this.#writtenMs >= everyMs) await this.#write();
  }

  /** Puts every part on disk that is not there yet. */
  flush(): Promise<void> {
    return this.#write();
  }

  async forget(id: string): Promise<void> {
    if (this.#uploads.delete(id)) await this.#write();
  }

  async clear(): Promise<void> {
    if (this.#uploads.size === 0) return;
    this.#uploads.clear();
    await this.#write();
  }

  #write(): Promise<void> {
    this.#writtenMs = performance.now();
    const write = () => this.#journal.set(journalKey, Object.fromEntries(this.#uploads));
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}

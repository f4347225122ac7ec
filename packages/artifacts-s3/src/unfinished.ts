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
/** A file that was sent in parts and is whole, with the facts that it was sent with. */
const whole = z.object({ key: z.string(), size: z.int(), sha256: z.string() });
const record = z.object({ uploads: z.record(z.string(), entry), whole: z.record(z.string(), whole) });

/** A multipart upload that is not complete. */
export type UnfinishedUpload = z.output<typeof entry>;
export type WholeUpload = z.output<typeof whole>;

const journalKey = 's3';
/** A part is journalled after so long at the latest; what was not is sent again after a crash. */
const everyMs = 1000;

/** The multipart uploads of one build that are not complete, kept over a restart of the agent. */
export class Unfinished {
  readonly #journal: JsonStore;
  readonly #uploads: Map<string, UnfinishedUpload>;
  readonly #whole: Map<string, WholeUpload>;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(journal: JsonStore, { uploads, whole: sent }: z.output<typeof record>) {
    this.#journal = journal;
    this.#uploads = new Map(Object.entries(uploads));
    this.#whole = new Map(Object.entries(sent));
  }

  /** What cannot be read counts as nothing. */
  static async open(journal: JsonStore): Promise<Unfinished> {
    const kept = record.safeParse(await journal.get(journalKey));
    return new Unfinished(journal, kept.success ? kept.data : { uploads: {}, whole: {} });
  }

  get all(): readonly UnfinishedUpload[] {
    return [...this.#uploads.values()];
  }

  find(id: string): UnfinishedUpload | undefined {
    return this.#uploads.get(id);
  }

  /** What an agent before this one sent of the file and completed. */
  findWhole(id: string): WholeUpload | undefined {
    return this.#whole.get(id);
  }

  /** On disk when it settles: no upload is begun that nobody would know of. */
  async begin(id: string, upload: UnfinishedUpload): Promise<void> {
    this.#uploads.set(id, upload);
    await this.#write();
  }

  partSent(id: string, number: number, part: { etag: string; sha256: string }): void {
    const upload = this.#uploads.get(id);
    if (!upload) return;
    upload.parts[number] = part;
    // What cannot be written now is with the next write; `begin` and `completed` say that it failed.
    this.#timer ??= setTimeout(() => void this.#write().catch(() => undefined), everyMs).unref();
  }

  /** Puts every part on disk that is not there yet. */
  flush(): Promise<void> {
    return this.#write();
  }

  async completed(id: string, sha256: string): Promise<void> {
    const upload = this.#uploads.get(id);
    if (!upload) return;
    this.#whole.set(id, { key: upload.key, size: upload.size, sha256 });
    this.#uploads.delete(id);
    await this.#write();
  }

  async clear(): Promise<void> {
    if (this.#uploads.size === 0) return;
    this.#uploads.clear();
    await this.#write();
  }

  /** Writes nothing more by itself. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const write = () =>
      this.#journal.set(journalKey, {
        uploads: Object.fromEntries(this.#uploads),
        whole: Object.fromEntries(this.#whole),
      });
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}

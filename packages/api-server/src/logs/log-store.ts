import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError } from '../errors.js';
import type { AttemptStore } from '../store/attempts.js';
import { OpenLog } from './open-log.js';

const openAtMost = 256;

/** What a seal came to. */
export type SealOutcome =
  | { readonly kind: 'sealed' }
  /** Bytes are missing, or everything is to be sent once more. */
  | { readonly kind: 'incomplete'; readonly next: number }
  | { readonly kind: 'broken' };

/** Log files, one for each attempt; the files that are used stay open. */
export class LogStore {
  readonly #folder: string;
  readonly #attempts: AttemptStore;
  /** By path, the least used first. */
  readonly #open = new Map<string, Promise<OpenLog>>();
  readonly #users = new Map<string, number>();
  bytesKept = 0;

  constructor(folder: string, attempts: AttemptStore) {
    this.#folder = folder;
    this.#attempts = attempts;
  }

  append(jobId: string, epoch: number, offset: number, bytes: Uint8Array): Promise<number> {
    return this.use(jobId, epoch, async (log) => {
      if (this.#attempts.find(jobId, epoch)?.log_sealed)
        throw new ApiError('RITMO_SEALED', 'The log is sealed.', { next: log.length });
      const before = log.length;
      const next = await log.append(offset, bytes);
      this.bytesKept += Math.max(0, next - before);
      return next;
    });
  }

  /** 1, and 2 once the log was begun anew. */
  edition(jobId: string, epoch: number): number {
    return this.#attempts.find(jobId, epoch)?.log_restarted ? 2 : 1;
  }

  /** Offset that is wanted next. */
  async length(jobId: string, epoch: number): Promise<number> {
    const path = this.#path(jobId, epoch);
    const open = this.#open.get(path);
    if (open) return (await open).length;
    try {
      return (await stat(path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
      throw error;
    }
  }

  seal(jobId: string, epoch: number, seal: { readonly length: number; readonly sha256: string }): Promise<SealOutcome> {
    return this.use(jobId, epoch, async (log) => {
      const attempt = this.#attempts.find(jobId, epoch);
      if (attempt?.log_sealed) {
        if (attempt.log_sha256 === seal.sha256) return { kind: 'sealed' };
        throw new ApiError('RITMO_SEALED', 'The log is sealed with another sha256.');
      }
      if (log.length < seal.length) return { kind: 'incomplete', next: log.length };
      if (log.length === seal.length && (await log.digest()) === seal.sha256) {
        this.#attempts.update(jobId, epoch, { log_sealed: 1, log_sha256: seal.sha256 });
        return { kind: 'sealed' };
      }
      if (attempt?.log_restarted) {
        this.#attempts.update(jobId, epoch, { log_sealed: 1 });
        return { kind: 'broken' };
      }
      this.#attempts.update(jobId, epoch, { log_restarted: 1 });
      await log.truncate();
      return { kind: 'incomplete', next: 0 };
    });
  }

  /** Tells readers of this log that the attempt may be over. */
  wake(jobId: string, epoch: number): void {
    void this.#open.get(this.#path(jobId, epoch))?.then(
      (log) => log.wake(),
      () => {},
    );
  }

  /** Runs `work` on the open log, which is not closed meanwhile. */
  async use<T>(jobId: string, epoch: number, work: (log: OpenLog) => Promise<T>): Promise<T> {
    const { log, release } = await this.acquire(jobId, epoch);
    try {
      return await work(log);
    } finally {
      release();
    }
  }

  /** The open log, which is not closed before `release`. */
  async acquire(jobId: string, epoch: number): Promise<{ readonly log: OpenLog; readonly release: () => void }> {
    const path = this.#path(jobId, epoch);
    this.#users.set(path, (this.#users.get(path) ?? 0) + 1);
    const release = () => {
      const users = (this.#users.get(path) ?? 1) - 1;
      if (users > 0) this.#users.set(path, users);
      else this.#users.delete(path);
      this.#closeUnused();
    };
    try {
      return { log: await this.#get(path), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  async close(): Promise<void> {
    const logs = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(logs.map(async (log) => (await log).close()));
  }

  #get(path: string): Promise<OpenLog> {
    let log = this.#open.get(path);
    if (log) this.#open.delete(path);
    else {
      log = OpenLog.open(path);
      log.catch(() => this.#open.delete(path));
    }
    this.#open.set(path, log);
    return log;
  }

  #closeUnused(): void {
    for (const [path, log] of this.#open) {
      if (this.#open.size <= openAtMost) return;
      if (this.#users.has(path)) continue;
      this.#open.delete(path);
      void log.then(
        (open) => open.close(),
        () => {},
      );
    }
  }

  #path(jobId: string, epoch: number): string {
    return join(this.#folder, jobId, `${epoch}.ndjson`);
  }
}

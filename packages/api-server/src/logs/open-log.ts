import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ApiError, isDiskFull } from '../errors.js';
import { RecentBytes } from './recent-bytes.js';
import { Wakeups } from './wakeups.js';

const hashChunk = 1024 * 1024;
/** What followers read at once from the disk: a few of them more, so that they catch up fast. */
const blockBytes = 256 * 1024;
const crowdBlockBytes = 32 * 1024;
const crowd = 8;
/** So many blocks are kept for those right behind. */
const blocksKept = 8;

/** Makes what was made in a folder durable: a file's name lives in its folder. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** One log file: appended by one writer at a time, read by many, durable before `append` answers. */
export class OpenLog {
  readonly #file: FileHandle;
  #length: number;
  #hash: Hash | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  /** Raised by each truncation: a reader of an older one has read bytes that no longer stand. */
  #generation = 0;
  readonly #readers = new Wakeups();
  #followers = 0;
  readonly #recent = new RecentBytes();
  /** Blocks by their bounds, the oldest first. */
  readonly #blocks = new Map<string, Promise<Uint8Array>>();

  private constructor(file: FileHandle, length: number) {
    this.#file = file;
    this.#length = length;
    if (length === 0) this.#hash = createHash('sha256');
  }

  static async open(path: string): Promise<OpenLog> {
    const folder = dirname(path);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, 'a+', 0o600).then(async (appending) => {
      await appending.close();
      return open(path, 'r+');
    });
    const { size } = await file.stat();
    if (size === 0) {
      await syncFolder(folder);
      if (made !== undefined) await syncFolder(dirname(folder));
    }
    return new OpenLog(file, size);
  }

  /** Offset that is wanted next. */
  get length(): number {
    return this.#length;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Keeps bytes that begin at `offset`, skips those it has, and answers the next offset once they are on disk. */
  append(offset: number, bytes: Uint8Array): Promise<number> {
    return this.#exclusive(async () => {
      if (offset > this.#length)
        throw new ApiError('RITMO_LOG_GAP', `The log goes on at ${this.#length}, not at ${offset}.`, {
          next: this.#length,
        });
      const fresh = bytes.subarray(this.#length - offset);
      if (fresh.byteLength === 0) return this.#length;
      await this.#write(fresh);
      if (this.#followers > 0) this.#recent.keep(this.#length, fresh);
      this.#length += fresh.byteLength;
      this.#readers.wake();
      return this.#length;
    });
  }

  /** sha256 of the whole, in hex. */
  digest(): Promise<string> {
    return this.#exclusive(async () => {
      this.#hash ??= await this.#hashFile();
      return this.#hash.copy().digest('hex');
    });
  }

  /** Begins anew: everything goes, and readers of it end. */
  truncate(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#file.truncate(0);
      await this.#file.datasync();
      this.#length = 0;
      this.#generation++;
      this.#forgetShared();
      this.#hash = createHash('sha256');
      this.#readers.wake();
    });
  }

  /** Bytes from `offset`, as many as there are and fit; none at the end. */
  async read(offset: number, most: number): Promise<Uint8Array> {
    const size = Math.min(most, this.#length - offset);
    if (size <= 0) return new Uint8Array();
    const { bytesRead, buffer } = await this.#file.read(new Uint8Array(size), 0, size, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** Bytes from `offset` to the end of their block. One read serves all followers at the same place. */
  async readShared(offset: number): Promise<Uint8Array> {
    if (offset >= this.#length) return new Uint8Array();
    const recent = this.#recent.from(offset);
    if (recent) return recent;
    const size = this.#followers > crowd ? crowdBlockBytes : blockBytes;
    const start = offset - (offset % size);
    const end = Math.min(start + size, this.#length);
    const key = `${start}-${end}`;
    let block = this.#blocks.get(key);
    if (!block) {
      block = this.read(start, end - start);
      this.#blocks.set(key, block);
      const [oldest] = this.#blocks.keys();
      if (this.#blocks.size > blocksKept && oldest !== undefined) this.#blocks.delete(oldest);
    }
    return (await block).subarray(offset - start);
  }

  /** From now on what is appended is kept for a follower, until disposed. */
  follow(): Disposable {
    this.#followers++;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#followers--;
        if (this.#followers === 0) this.#forgetShared();
      },
    };
  }

  /** Rises with each change. */
  get changes(): number {
    return this.#readers.changes;
  }

  /** Resolves once there were more changes than `seen`, or when `signal` is aborted. */
  changed(seen: number, signal: AbortSignal): Promise<void> {
    return this.#readers.after(seen, signal);
  }

  /** Tells readers to look again: the attempt may be over. */
  wake(): void {
    this.#readers.wake();
  }

  async close(): Promise<void> {
    await this.#exclusive(() => this.#file.close());
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.byteLength)
        done += (await this.#file.write(bytes, done, bytes.byteLength - done, this.#length + done)).bytesWritten;
      const synced = this.#file.datasync();
      this.#hash?.update(bytes);
      await synced;
    } catch (error) {
      this.#hash = undefined;
      // What was not acknowledged must not be taken for the log.
      await this.#file.truncate(this.#length);
      if (isDiskFull(error))
        throw new ApiError('RITMO_DISK_FULL', 'The disk of the API server is full.', {
          hint: 'Make room on the API server.',
          cause: error,
        });
      throw error;
    }
  }

  async #hashFile(): Promise<Hash> {
    const hash = createHash('sha256');
    for (let at = 0; at < this.#length; ) {
      const bytes = await this.read(at, hashChunk);
      if (bytes.byteLength === 0) throw new Error('a log file is shorter than it was');
      hash.update(bytes);
      at += bytes.byteLength;
    }
    return hash;
  }

  #forgetShared(): void {
    this.#recent.clear();
    this.#blocks.clear();
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }
}

import type { Hash } from 'node:crypto';
import { close, ftruncate, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { RitmoError } from '../errors.js';
import type { Line } from './records.js';

const closeFile = promisify(close);
const readFile = promisify(read);
const truncateFile = promisify(ftruncate);
const writeFile = promisify(write);

const blockSize = 512 * 1024;
/** Above this much unwritten, callers are asked to wait; below the other they go on. */
const fullAt = 2 * 1024 * 1024;
const roomAt = 1024 * 1024;
const spareBlocks = 4;

interface Block {
  readonly bytes: Buffer;
  /** Bytes taken up, and of those the ones that are on disk. */
  used: number;
  written: number;
}

/**
 * Appends to a file in order, without waiting: what comes while a write is under way goes with the next one. After a
 * write has failed nothing more is written, and `failure` says why. A line is never seen in part by those who read.
 */
export class AppendFile {
  readonly #fd: number;
  readonly #hash: Hash | undefined;
  readonly #queue: Block[] = [];
  readonly #spare: Buffer[] = [];
  readonly #waiters = new Set<() => void>();
  /** A block that holds nothing yet but what is staged. */
  #fresh: Block | undefined;
  #staged: Block | undefined;
  #stagedEnd = 0;
  #length: number;
  #written: number;
  #writing: Promise<void> | undefined;
  #room: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #failure: RitmoError | undefined;

  /** Goes on at `length` of the open file; `hash` is fed with all that is written from there. Closes `fd` at its end. */
  constructor(fd: number, length: number, hash?: Hash) {
    this.#fd = fd;
    this.#hash = hash;
    this.#length = length;
    this.#written = length;
  }

  /** Bytes accepted. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that the file holds. */
  get written(): number {
    return this.#written;
  }

  get failure(): RitmoError | undefined {
    return this.#failure;
  }

  /** Tries again after a failure; what was not in the file by then is gone. Call it when `settled`. */
  goOn(): void {
    this.#failure = undefined;
    this.#fresh = undefined;
    this.#staged = undefined;
    this.#length = this.#written;
  }

  append(line: Line): void {
    this.stage(line);
    this.commit();
  }

  /** Prepares a line as the next one and answers its bytes, which stay valid until something else is staged. */
  stage(line: Line): Buffer {
    const last = this.#fresh ?? this.#queue.at(-1);
    const end = last === undefined ? -1 : line.write(last.bytes, last.used);
    if (last !== undefined && end >= 0) return this.#stageAt(last, end);
    this.#fresh = this.#newBlock(line.room);
    return this.#stageAt(this.#fresh, line.write(this.#fresh.bytes, 0));
  }

  /** Appends the line that was staged. */
  commit(): void {
    const block = this.#staged;
    if (block === undefined || this.#failure !== undefined) return;
    this.#staged = undefined;
    if (block === this.#fresh) {
      this.#queue.push(block);
      this.#fresh = undefined;
    }
    this.#length += this.#stagedEnd - block.used;
    block.used = this.#stagedEnd;
    this.#writing ??= this.#drain();
  }

  /** A promise while too much waits to be written; rejects with the failure. */
  room(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#length - this.#written < fullAt) return undefined;
    if (this.#room === undefined) {
      this.#room = this.#untilRoom();
      // Told to those who await it; nobody has to.
      this.#room.catch(() => undefined);
    }
    return this.#room;
  }

  /** Resolves when all that was accepted is in the file; rejects with the failure. */
  async flushed(): Promise<void> {
    await this.settled();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when all that was accepted is in the file, or nothing more will be. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Resolves when `written` or `failure` changes, or the signal is aborted. */
  changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal?.addEventListener('abort', wake);
      if (signal?.aborted === true) wake();
    });
  }

  /** Wakes those who wait in `changed`. */
  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Up to `max` bytes from `offset` on, of those that are in the file. */
  async read(offset: number, max: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(max, this.#written - offset)));
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await readFile(this.#fd, bytes, filled, bytes.length - filled, offset + filled);
      if (bytesRead === 0)
        throw new RitmoError('RITMO_STATE_UNREADABLE', 'A log file became shorter than was written.');
      filled += bytesRead;
    }
    return bytes;
  }

  /** Closes the file once nothing is being written. Safe twice. */
  async close(): Promise<void> {
    await this.settled();
    this.#closed ??= closeFile(this.#fd);
    return this.#closed;
  }

  #stageAt(block: Block, end: number): Buffer {
    this.#staged = block;
    this.#stagedEnd = end;
    return block.bytes.subarray(block.used, end);
  }

  #newBlock(room: number): Block {
    if (room > blockSize) return { bytes: Buffer.allocUnsafeSlow(room), used: 0, written: 0 };
    return { bytes: this.#spare.pop() ?? Buffer.allocUnsafeSlow(blockSize), used: 0, written: 0 };
  }

  async #untilRoom(): Promise<void> {
    while (this.#length - this.#written >= roomAt && this.#failure === undefined) await this.changed();
    this.#room = undefined;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #drain(): Promise<void> {
    // Whatever else is appended in this turn goes along.
    await Promise.resolve();
    try {
      for (let block = this.#queue[0]; block !== undefined; block = this.#queue[0]) {
        if (block.written < block.used) {
          await this.#write(block, block.used);
          this.wake();
        } else if (this.#queue.length > 1 || block.used > blockSize / 2) this.#release(block);
        else break;
      }
    } catch (error) {
      this.#failure = writeFailure(error);
      this.#queue.length = 0;
      // A line that was written in part goes, as far as the disk still lets it; a reader sees no more than `written`.
      await truncateFile(this.#fd, this.#written).catch(() => undefined);
    }
    this.#writing = undefined;
    if (this.#failure !== undefined) this.wake();
  }

  async #write(block: Block, until: number): Promise<void> {
    const begin = block.written;
    while (block.written < until) {
      const from = block.written;
      const position = this.#written + from - begin;
      const { bytesWritten } = await writeFile(this.#fd, block.bytes, from, until - from, position);
      block.written += bytesWritten;
    }
    this.#hash?.update(block.bytes.subarray(begin, until));
    this.#written += until - begin;
  }

  #release(block: Block): void {
    this.#queue.shift();
    if (block.bytes.length === blockSize && this.#spare.length < spareBlocks) this.#spare.push(block.bytes);
  }
}

/** Why something of a log could not be written: RITMO_DISK_FULL or RITMO_STATE_UNREADABLE. */
export function writeFailure(error: unknown): RitmoError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new RitmoError('RITMO_DISK_FULL', 'The log cannot be written: the disk is full.', { cause: error });
  }
  return new RitmoError('RITMO_STATE_UNREADABLE', 'The log cannot be written.', { cause: error });
}

import { createHash } from 'node:crypto';
import { openSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import type { LogHeader } from '@ritmo/protocol';
import { z } from 'zod';
import { RitmoError } from '../errors.js';
import { AppendFile, writeFailure } from './append-file.js';
import { DiskFloor } from './disk-floor.js';
import { LastWords, removeRoom } from './last-words.js';
import { bytesLine, type Line, noteLine, recordLine, sizeText } from './records.js';
import { type Repaired, repairLog } from './spool-repair.js';
import { removeRing, TailRing } from './tail-ring.js';

/** Largest log file where nothing else is said; see `SpoolOptions.maxBytes`. */
export const defaultMaxLogBytes = 256 * 1024 * 1024;

/** Each byte of 64 KiB escaped, and what stands around them. */
const largestRecord = 512 * 1024;

export interface SpoolOptions {
  /** From this size of the file on output is dropped, but for its last MiB. 256 MiB by default. */
  readonly maxBytes?: number;
  /** Likewise while less is free on the disk of the file. 0 by default. */
  readonly minFreeBytes?: number;
  /** Sees all bytes of the file in order as they are appended. They are the callee's. */
  readonly onAppend?: (bytes: Uint8Array) => void;
}

export interface SpoolEnd {
  readonly length: number;
  /** Of all bytes of the file, in hex. */
  readonly sha256: string;
  /** Bytes of output records that found no room. */
  readonly truncatedBytes: number;
  /** Why the log is not whole, where the disk refused it. */
  readonly failure?: RitmoError;
}

/** What a sender needs of a log: bytes that are in the file, and word of more. */
export interface LogSource {
  /** Bytes that can be read. */
  readonly readable: number;
  read(offset: number, max: number): Promise<Uint8Array>;
  /** Resolves with true once bytes lie beyond `offset`, with false when none ever will. Rejects when aborted. */
  more(offset: number, signal?: AbortSignal): Promise<boolean>;
  /**
   * Fills up to `next` where the receiver has more than this file, after a power loss, so that what follows has the
   * same place in both. Nothing happens to a log that has ended: its seal tells that it differs. Throws RITMO_LOG_GAP
   * where that is more than a log can have lost.
   */
  padTo(next: number): void;
}

/** The log file of one build: append-only, masked records, and the only source of what is sent. Survives the agent. */
export class Spool implements LogSource {
  readonly path: string;
  readonly header: LogHeader;
  /** Steps that had begun and ended before the file was opened. */
  readonly begunSteps: ReadonlySet<number>;
  readonly endedSteps: ReadonlySet<number>;
  readonly #file: AppendFile;
  readonly #lastWords: LastWords;
  readonly #hash;
  readonly #maxBytes: number;
  readonly #floor: DiskFloor;
  readonly #onAppend: SpoolOptions['onAppend'];
  #ring: TailRing | undefined;
  #lastT: number;
  /** Bytes that are gone for good. */
  #lost: number;
  #closing: Promise<SpoolEnd> | undefined;
  #ended = false;
  #keepsUp = false;

  private constructor(path: string, header: LogHeader, start: SpoolStart, options: SpoolOptions) {
    this.path = path;
    this.header = header;
    this.begunSteps = start.begun;
    this.endedSteps = start.ended;
    this.#hash = start.hash;
    this.#ring = start.ring;
    this.#lastT = start.lastT;
    this.#lost = start.lost;
    this.#maxBytes = options.maxBytes ?? defaultMaxLogBytes;
    this.#floor = new DiskFloor(path, options.minFreeBytes ?? 0);
    this.#onAppend = options.onAppend;
    this.#file = new AppendFile(start.fd, start.length, this.#hash);
    this.#lastWords = new LastWords(path);
  }

  /** A new file that must not exist yet, with its header. Rejects with RITMO_STATE_UNREADABLE or RITMO_DISK_FULL. */
  static async create(path: string, header: LogHeader, options: SpoolOptions = {}): Promise<Spool> {
    const fd = openLog(path, 'wx+');
    const start: SpoolStart = {
      fd,
      length: 0,
      lastT: 0,
      lost: 0,
      ring: undefined,
      hash: createHash('sha256'),
      begun: new Set(),
      ended: new Set(),
    };
    const spool = new Spool(path, header, start, options);
    spool.#put(recordLine(header));
    await spool.#file.settled();
    if (spool.#file.failure !== undefined) throw spool.#file.failure;
    return spool;
  }

  /** The file of a build whose agent died, cut after its last whole record. Goes on where it stopped. */
  static async reopen(path: string, options: SpoolOptions = {}): Promise<Spool> {
    const ring = await TailRing.reopen(path);
    const cut = await readCut(path);
    // Where a crash fell while the kept tail was appended, that begins again at the same place.
    const repaired = await repairLog(path, ring === undefined ? undefined : cut?.at);
    const lastT = Math.max(repaired.lastT, cut?.t ?? 0);
    const lost = ring === undefined ? (cut?.truncated ?? 0) : 0;
    return new Spool(path, repaired.header, { ...repaired, fd: openLog(path, 'r+'), lastT, ring, lost }, options);
  }

  /** Removes the file and all that belongs to it; what is not there is no error. */
  static async remove(path: string): Promise<void> {
    await removeRing(path);
    await rm(cutPath(path), { force: true });
    await removeRoom(path);
    await rm(path, { force: true });
  }

  /** Bytes of the log so far, also those that are still on their way to the file. */
  get length(): number {
    return this.#file.length;
  }

  get readable(): number {
    return this.#file.written;
  }

  /** True once nothing can be appended any more. */
  get ended(): boolean {
    return this.#ended || this.#closing !== undefined;
  }

  /** Milliseconds of the last record. */
  get lastT(): number {
    return this.#lastT;
  }

  /** Bytes of output that found no room so far. */
  get droppedBytes(): number {
    return (this.#ring?.dropped ?? 0) + this.#lost;
  }

  /** Appends a step, end or note record, whatever the size of the log. */
  append(t: number, line: Line): void {
    this.#refuseAfterEnd();
    this.#lastT = Math.max(this.#lastT, t);
    this.#put(line);
  }

  /** Appends an output record, or drops it where the log is full. */
  appendOutput(t: number, line: Line): void {
    this.#refuseAfterEnd();
    this.#lastT = Math.max(this.#lastT, t);
    const bytes = this.#file.stage(line);
    if (this.#ring === undefined && (this.#isFull(bytes.length) || this.#floor.reached(bytes.length))) {
      this.#ring = TailRing.create(this.path);
    }
    if (this.#ring !== undefined) this.#ring.append(bytes);
    else if (this.#file.failure !== undefined) this.#lost += bytes.length;
    else {
      this.#file.commit();
      this.#onAppend?.(Buffer.from(bytes));
    }
  }

  /** From now on `room` is there only when all is in the file: an agent that is killed then has nothing in its hands. */
  keepUp(): void {
    this.#keepsUp = true;
  }

  /** A promise while too much waits to be written, to be awaited before more is appended; rejects when the disk refuses it. */
  room(): Promise<void> | undefined {
    if (this.#keepsUp && this.#ring === undefined) return this.#file.flushed();
    return this.#file.room() ?? this.#ring?.room();
  }

  async read(offset: number, max: number): Promise<Uint8Array> {
    return this.#file.read(offset, max);
  }

  async more(offset: number, signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#file.written > offset) return true;
      if (this.#ended) return false;
      await this.#file.changed(signal);
    }
  }

  padTo(next: number): void {
    const missing = next - this.#file.length;
    if (missing <= 0 || this.ended) return;
    // What a server says must not fill this disk, nor this memory.
    if (missing > this.#maxBytes)
      throw new RitmoError('RITMO_LOG_GAP', `The server has ${sizeText(missing)} more of the log than there are here.`);
    for (let left = missing; left > 0; left -= 65_536) this.#put(bytesLine(Buffer.alloc(Math.min(left, 65_536), ' ')));
    const text = `The machine lost ${sizeText(missing)} of this log that had been sent already.`;
    this.#put(bytesLine(Buffer.from('\n')));
    this.#put(noteLine(this.#lastT, 'warn', text));
  }

  /** Ends the log: the kept tail after a note where output was dropped. Resolves when all is in the file. Safe twice. */
  close(): Promise<SpoolEnd> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Closes the files; what was not closed before can be reopened. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#file.wake();
    await this.#ring?.close();
    await this.#file.close();
  }

  async #close(): Promise<SpoolEnd> {
    const ring = this.#ring;
    this.#ring = undefined;
    const lastWords = this.#lastWords.take();
    const tailFailure = ring === undefined ? undefined : await this.#tryTail(ring);
    await this.#file.settled();
    const failure = this.#file.failure ?? tailFailure;
    if (failure !== undefined) await this.#endAfter(failure, lastWords);
    this.#ended = true;
    this.#file.wake();
    const { written } = this.#file;
    const end = { length: written, sha256: this.#hash.copy().digest('hex'), truncatedBytes: this.#lost };
    return failure === undefined ? end : { ...end, failure };
  }

  /** Says where the disk refused the log, and then how it ends. */
  async #endAfter({ message }: RitmoError, lastWords: readonly Line[]): Promise<void> {
    this.#lost += this.#file.length - this.#file.written;
    this.#file.goOn();
    const missing =
      this.#lost === 0 ? 'Output may be missing here' : `${sizeText(this.#lost)} of output are missing here`;
    this.#put(noteLine(this.#lastT, 'error', `${missing}: ${message}`));
    for (const line of lastWords) this.#put(line);
    await this.#file.settled();
  }

  /** Answers why the kept tail could not be appended. */
  async #tryTail(ring: TailRing): Promise<RitmoError | undefined> {
    this.#lost = ring.dropped;
    try {
      await this.#appendTail(ring);
      await this.#file.settled();
      if (this.#file.failure === undefined) await removeRing(this.path);
      return undefined;
    } catch (error) {
      if (this.#file.failure === undefined) this.#lost = ring.dropped;
      return error instanceof RitmoError ? error : writeFailure(error);
    }
  }

  async #appendTail(ring: TailRing): Promise<void> {
    const tail = await ring.take();
    this.#lost = ring.dropped - tail.length;
    await writeCut(this.path, { at: this.#file.length, t: this.#lastT, truncated: this.#lost });
    this.#put(noteLine(this.#lastT, 'warn', this.#gapText(tail.length)));
    for (let at = 0; at < tail.length; at += 65_536) {
      await this.#file.room();
      this.#put(bytesLine(tail.subarray(at, at + 65_536)));
    }
  }

  #gapText(kept: number): string {
    // A cap leaves less room than one record: where there was more, the disk was the reason. So it is known after a
    // crash too.
    const limit = this.#isFull(largestRecord)
      ? `the log is limited to ${sizeText(this.#maxBytes)}`
      : 'the disk of the worker is nearly full';
    return this.#lost === 0
      ? `The output above stops here and goes on below: ${limit}.`
      : `${sizeText(this.#lost)} of output are missing here: ${limit}. The last ${sizeText(kept)} follow.`;
  }

  /** No room for so many bytes more. */
  #isFull(bytes: number): boolean {
    return this.#file.length + bytes > this.#maxBytes;
  }

  #put(line: Line): void {
    const bytes = this.#file.stage(line);
    if (this.#file.failure !== undefined) {
      this.#lastWords.keep(bytes);
      return;
    }
    this.#file.commit();
    this.#onAppend?.(Buffer.from(bytes));
  }

  #refuseAfterEnd(): void {
    if (this.ended) {
      throw new RitmoError('RITMO_INTERNAL', 'Something was appended to a log that has ended.');
    }
  }
}

interface SpoolStart extends Pick<Repaired, 'begun' | 'ended'> {
  readonly fd: number;
  readonly length: number;
  readonly lastT: number;
  readonly lost: number;
  readonly ring: TailRing | undefined;
  readonly hash: ReturnType<typeof createHash>;
}

function openLog(path: string, flags: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (cause) {
    throw new RitmoError('RITMO_STATE_UNREADABLE', `The log file ${path} cannot be opened.`, { cause });
  }
}

/** Written before the kept tail is appended, so that a second try after a crash makes the same bytes. */
interface Cut {
  /** Where the tail begins, in bytes. */
  readonly at: number;
  readonly t: number;
  /** Bytes that are gone for good. */
  readonly truncated: number;
}

function cutPath(path: string): string {
  return `${path}.cut`;
}

async function writeCut(path: string, cut: Cut): Promise<void> {
  await writeFile(cutPath(path), JSON.stringify(cut), { mode: 0o600 });
}

/** Undefined where there is none, or a crash cut it off: then nothing was appended after it. */
async function readCut(path: string): Promise<Cut | undefined> {
  try {
    const cut = cutSchema.safeParse(JSON.parse(await readFile(cutPath(path), 'utf8')));
    return cut.success ? cut.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const cutSchema = z.object({ at: z.int().min(1), t: z.int().min(0), truncated: z.int().min(0) });

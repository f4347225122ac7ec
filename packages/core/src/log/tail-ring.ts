import { openSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { AppendFile } from './append-file.js';
import { bytesLine } from './records.js';

/** How much of what was dropped is kept, at least and as far as there is so much. */
export const keptTail = 1024 * 1024;

/**
 * The last output that found no room in the log, on disk beside it: files of 1 MiB, of which only the newest two stay.
 * Each begins with a line that says how many bytes were dropped before it, so nothing else has to survive a crash.
 */
export class TailRing {
  readonly #base: string;
  #number: number;
  #dropped: number;
  #file: AppendFile | undefined;
  #retired: Promise<unknown> = Promise.resolve();
  /** While files of before are not yet written and gone; settles then and never rejects. */
  #retiring: Promise<void> | undefined;

  private constructor(base: string, number: number, dropped: number) {
    this.#base = base;
    this.#number = number;
    this.#dropped = dropped;
    this.#file = openSegment(base, number, dropped);
  }

  /** A new ring beside the log at `base`. */
  static create(base: string): TailRing {
    return new TailRing(base, 0, 0);
  }

  /** Goes on with the ring that a crash left, if there is one. */
  static async reopen(base: string): Promise<TailRing | undefined> {
    const segments = await readSegments(base);
    const last = segments.at(-1);
    if (last === undefined) return undefined;
    const dropped = segments.reduce((sum, { before, records }) => (before ?? sum) + records.length, 0);
    return new TailRing(base, last.number + 1, dropped);
  }

  /** Bytes that went into the ring since it began. */
  get dropped(): number {
    return this.#dropped;
  }

  append(bytes: Uint8Array): void {
    if (this.#file !== undefined && this.#file.length >= keptTail) this.#turn();
    this.#file?.append(bytesLine(bytes));
    this.#dropped += bytes.length;
  }

  /** A promise while too much waits to be written. */
  room(): Promise<void> | undefined {
    return this.#retiring ?? (this.#file?.failure === undefined ? this.#file?.room() : undefined);
  }

  /** Ends the ring: the last whole records of at most 1 MiB. */
  async take(): Promise<Buffer> {
    await this.close();
    const all = Buffer.concat((await readSegments(this.#base)).map(({ records }) => records));
    if (all.length <= keptTail) return all;
    // From the first record that lies whole in the last MiB.
    return all.subarray(all.indexOf('\n', all.length - keptTail - 1) + 1);
  }

  /** Closes the files and leaves them where they are. */
  async close(): Promise<void> {
    await this.#file?.close();
    await this.#retired;
  }

  #turn(): void {
    const old = this.#file;
    this.#number++;
    this.#file = openSegment(this.#base, this.#number, this.#dropped);
    const gone = rm(segmentPath(this.#base, this.#number - 2), { force: true });
    this.#retired = Promise.all([this.#retired, old?.close(), gone]);
    // Told by `close`, which awaits it.
    const retiring = this.#retired
      .catch(() => undefined)
      .then(() => {
        if (this.#retiring === retiring) this.#retiring = undefined;
      });
    this.#retiring = retiring;
  }
}

/** Removes all files of the ring beside the log at `base`. */
export async function removeRing(base: string): Promise<void> {
  for (const number of await numbersOf(base)) await rm(segmentPath(base, number), { force: true });
}

/** Undefined where the disk takes no file any more: then only the count goes on. */
function openSegment(base: string, number: number, dropped: number): AppendFile | undefined {
  try {
    const fd = openSync(segmentPath(base, number), 'wx+', 0o600);
    const file = new AppendFile(fd, 0);
    file.append(bytesLine(Buffer.from(`{"before":${dropped}}\n`)));
    return file;
  } catch {
    return undefined;
  }
}

function segmentPath(base: string, number: number): string {
  return `${base}.tail-${number}`;
}

async function numbersOf(base: string): Promise<number[]> {
  const prefix = `${path.basename(base)}.tail-`;
  const names = await readdir(path.dirname(base));
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .toSorted((a, b) => a - b);
}

interface Segment {
  readonly number: number;
  /** Bytes dropped before it; undefined where a crash cut its first line. */
  readonly before: number | undefined;
  /** Whole records only. */
  readonly records: Buffer;
}

async function readSegments(base: string): Promise<Segment[]> {
  const segments = [];
  for (const number of await numbersOf(base)) {
    const bytes = await readFile(segmentPath(base, number));
    const header = bytes.indexOf('\n');
    const found = /^\{"before":(\d+)\}$/.exec(bytes.toString('latin1', 0, Math.max(0, header)));
    const before = found === null ? undefined : Number(found[1]);
    segments.push({ number, before, records: bytes.subarray(header + 1, bytes.lastIndexOf('\n') + 1) });
  }
  return segments;
}

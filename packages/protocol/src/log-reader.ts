import { type LogRecord, logRecord } from './log-record.js';

/** Longest line that is taken, in bytes: far more than a record needs, so that a foreign file cannot fill the memory. */
const longestLine = 16 * 1024 * 1024;
const newline = 0x0a;

/** One line of a log: its text, and its record where it is one that we know. */
export interface LogLine {
  /** Empty for a line that is longer than any record. */
  readonly text: string;
  /** With the newline. */
  readonly bytes: number;
  readonly record: LogRecord | undefined;
}

/** Reads a log file that arrives in pieces, cut anywhere. */
export class LogLineSplitter {
  readonly #decoder = new TextDecoder();
  #pieces: Uint8Array[] = [];
  #held = 0;
  #tooLong = false;
  #skipped = 0;

  /** Lines that were no known record; blank ones do not count. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Bytes of a line that has not ended. */
  get held(): number {
    return this.#held;
  }

  /** The records whose lines end in these bytes, in their order; what is none is passed over. */
  push(bytes: Uint8Array): LogRecord[] {
    return this.lines(bytes).flatMap(({ record }) => record ?? []);
  }

  /** All lines that end in these bytes, in their order. */
  lines(bytes: Uint8Array): LogLine[] {
    const lines: LogLine[] = [];
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      lines.push(this.#line(bytes.subarray(from, end)));
      from = end + 1;
    }
    this.#hold(bytes.subarray(from));
    return lines;
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#tooLong ||= this.#held + bytes.length > longestLine;
    if (this.#tooLong) this.#pieces = [];
    else this.#pieces.push(bytes.slice());
    this.#held += bytes.length;
  }

  #line(last: Uint8Array): LogLine {
    const tooLong = this.#tooLong;
    const text = tooLong ? '' : this.#text(last);
    const bytes = this.#held + last.length + 1;
    this.#pieces = [];
    this.#held = 0;
    this.#tooLong = false;
    const record = tooLong ? undefined : parse(text);
    if (record === undefined && (tooLong || text.trim() !== '')) this.#skipped++;
    return { text, bytes, record };
  }

  #text(last: Uint8Array): string {
    if (this.#pieces.length === 0) return this.#decoder.decode(last);
    const whole = new Uint8Array(this.#held + last.length);
    let at = 0;
    for (const piece of [...this.#pieces, last]) {
      whole.set(piece, at);
      at += piece.length;
    }
    return this.#decoder.decode(whole);
  }
}

function parse(line: string): LogRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const record = logRecord.safeParse(value);
  return record.success ? record.data : undefined;
}

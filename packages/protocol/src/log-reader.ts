import { type LogRecord, logRecord } from './log-record.js';

/** Longest line that is taken, in bytes: far more than a record needs, so that a foreign file cannot fill the memory. */
const longestLine = 16 * 1024 * 1024;
const newline = 0x0a;

/**
 * Reads a log file that arrives in pieces, cut anywhere. Blank lines, records of an unknown kind and lines that are
 * no record are passed over; `skipped` counts the latter two.
 */
export class LogLineSplitter {
  readonly #decoder = new TextDecoder();
  #pieces: Uint8Array[] = [];
  #held = 0;
  #tooLong = false;
  #skipped = 0;

  /** Lines that were no known record. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Bytes of a line that has not ended. */
  get held(): number {
    return this.#held;
  }

  /** The records whose lines end in these bytes, in their order. */
  push(bytes: Uint8Array): LogRecord[] {
    const records: LogRecord[] = [];
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      const record = this.#line(bytes.subarray(from, end));
      if (record !== undefined) records.push(record);
      from = end + 1;
    }
    this.#hold(bytes.subarray(from));
    return records;
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#tooLong ||= this.#held + bytes.length > longestLine;
    if (this.#tooLong) this.#pieces = [];
    else this.#pieces.push(bytes.slice());
    this.#held += bytes.length;
  }

  #line(last: Uint8Array): LogRecord | undefined {
    const tooLong = this.#tooLong;
    const text = tooLong ? '' : this.#text(last);
    this.#pieces = [];
    this.#held = 0;
    this.#tooLong = false;
    if (!tooLong && text.trim() === '') return undefined;
    const record = tooLong ? undefined : parse(text);
    if (record === undefined) this.#skipped++;
    return record;
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

import { type LogRecord, logRecord } from '@ritmo/protocol';

/** A text of 64 KiB, each byte escaped as JSON may, and what stands around it. */
const maxLineBytes = 1024 * 1024;

/** One line of a log: its record where it is one that we know, and its text. */
export interface LogLine {
  readonly text: string;
  /** With the newline. */
  readonly bytes: number;
  readonly record: LogRecord | undefined;
}

/** Cuts the bytes of a log into its lines, wherever they were cut on the way. */
export class LogLines {
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  /** Bytes of a last line that is not whole yet. */
  get pending(): number {
    return this.#restBytes;
  }

  /** Lines that are whole now. A line that is no JSON, or longer than any of ours, has no record. */
  push(bytes: Uint8Array): LogLine[] {
    const lines: LogLine[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      this.#keep(bytes.subarray(start, end));
      lines.push(this.#take());
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
    return lines;
  }

  #keep(bytes: Uint8Array): void {
    this.#restBytes += bytes.length;
    // The chunk belongs to its sender, who may use it again.
    if (bytes.length > 0 && this.#restBytes <= maxLineBytes) this.#rest.push(Uint8Array.from(bytes));
  }

  #take(): LogLine {
    const whole = this.#restBytes <= maxLineBytes;
    const bytes = this.#restBytes + 1;
    const text = Buffer.concat(this.#rest).toString('utf8');
    this.#rest = [];
    this.#restBytes = 0;
    return { text, bytes, record: whole ? parseRecord(text) : undefined };
  }
}

function parseRecord(text: string): LogRecord | undefined {
  try {
    return logRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

import type { LogNoteLevel, LogRecord } from '@ritmo/protocol';
import { escapeJson, longestEscape } from './json-escape.js';

/** What ended a step, as the log says it. */
export interface StepEnd {
  readonly code?: number;
  readonly signal?: string;
  /** Why it was stopped. */
  readonly reason?: string;
  /** The limit that ended it. */
  readonly limit?: string;
}

/** A piece of the log that is written straight to where it is kept. */
export interface Line {
  /** Bytes in which it fits for certain. */
  readonly room: number;
  /** Writes all of it from `at` on and answers where it ended, or -1 where it may not fit. */
  write(out: Buffer, at: number): number;
}

export function bytesLine(bytes: Uint8Array): Line {
  return {
    room: bytes.length,
    write(out, at) {
      if (out.length - at < bytes.length) return -1;
      out.set(bytes, at);
      return at + bytes.length;
    },
  };
}

export function recordLine(record: LogRecord): Line {
  return bytesLine(Buffer.from(`${JSON.stringify(record)}\n`, 'utf8'));
}

export function noteLine(t: number, level: LogNoteLevel, text: string): Line {
  return recordLine({ t, k: 'note', level, m: text });
}

/** An `out` record with the text of bytes that are valid UTF-8. */
export function outputLine(t: number, step: number, fd: 1 | 2, text: Uint8Array): Line {
  const head = `{"t":${t},"k":"out","s":${step},"fd":${fd},"m":"`;
  return {
    room: head.length + (text.length + 4) * longestEscape + lineEnd.length,
    write(out, at) {
      if (out.length - at < head.length + text.length + lineEnd.length) return -1;
      const begin = at + out.write(head, at, 'latin1');
      const end = escapeJson(text, out, begin, out.length - lineEnd.length);
      if (end < 0) return -1;
      out.set(lineEnd, end);
      return end + lineEnd.length;
    },
  };
}

const lineEnd = Buffer.from('"}\n');

/** A size for people: "12.3 MiB". */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${units[unit] as string}`;
}

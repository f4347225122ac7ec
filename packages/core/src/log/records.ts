import type { LogNoteLevel, LogRecord } from '@ritmo/protocol';

/** What ended a step, as the log says it. */
export interface StepEnd {
  readonly code?: number;
  readonly signal?: string;
  /** Why it was stopped. */
  readonly reason?: string;
  /** The limit that ended it. */
  readonly limit?: string;
}

/** A record as a line of the log, in latin1: one character for each byte of its UTF-8. */
export function recordLine(record: LogRecord): string {
  return Buffer.from(`${JSON.stringify(record)}\n`, 'utf8').toString('latin1');
}

export function noteLine(t: number, level: LogNoteLevel, text: string): string {
  return recordLine({ t, k: 'note', level, m: text });
}

/**
 * An `out` record with the text of bytes that are valid UTF-8. As JSON escapes nothing above 0x7f, the bytes can
 * stay what they are: they are read as latin1 and written as latin1, and never decoded.
 */
export function outputLine(t: number, step: number, fd: 1 | 2, text: Buffer): string {
  return `{"t":${t},"k":"out","s":${step},"fd":${fd},"m":${JSON.stringify(text.toString('latin1'))}}\n`;
}

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

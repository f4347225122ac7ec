import { type LogRecord, logRecord } from '@ritmo/protocol';
import { TerminalFilter } from './terminal-filter.js';

/** Longest line of a log file that is read; records are far shorter. */
const maxLine = 8 * 1024 * 1024;

/** The log as a person reads it: steps, their output, notes. `raw` leaves the output as it was printed. */
export async function* plainText(
  bytes: AsyncIterable<Uint8Array>,
  raw: boolean,
): AsyncGenerator<Uint8Array, void, void> {
  const writer = new TextWriter(raw);
  const encoder = new TextEncoder();
  for await (const lines of wholeLines(bytes)) {
    let text = '';
    for (const line of lines) text += writer.write(parse(line));
    if (text !== '') yield encoder.encode(text);
  }
  const end = writer.endStep();
  if (end !== '') yield encoder.encode(end);
}

async function* wholeLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[], void, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of bytes) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLine) rest = '';
    yield lines;
  }
}

/** A record, or nothing for a line that is none or of a kind of a newer version. */
function parse(line: string): LogRecord | undefined {
  try {
    return logRecord.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

class TextWriter {
  readonly #raw: boolean;
  /** By stream: a sequence cut off on one is not ended by the other. */
  #filters = new Map<number, TerminalFilter>();
  #atLineStart = true;

  constructor(raw: boolean) {
    this.#raw = raw;
  }

  write(record: LogRecord | undefined): string {
    switch (record?.k) {
      case 'step':
        return `${this.endStep()}${this.#line(`--- ${oneLine(record.name)} ---`)}`;
      case 'out':
        return this.#output(record.fd, record.m);
      case 'end':
        return `${this.endStep()}${this.#endOf(record)}`;
      case 'note':
        return this.#line(`[${record.level}] ${oneLine(record.m)}`);
      default:
        return '';
    }
  }

  endStep(): string {
    let out = '';
    for (const filter of this.#filters.values()) out += filter.end();
    this.#filters = new Map();
    return out;
  }

  #output(stream: number, text: string): string {
    const out = this.#raw ? text : this.#filterOf(stream).filter(text);
    if (out !== '') this.#atLineStart = out.endsWith('\n');
    return out;
  }

  #filterOf(stream: number): TerminalFilter {
    let filter = this.#filters.get(stream);
    if (!filter) this.#filters.set(stream, (filter = new TerminalFilter()));
    return filter;
  }

  #endOf(record: Extract<LogRecord, { k: 'end' }>): string {
    if (record.code === 0) return '';
    const how =
      record.code === undefined ? `ended by ${record.signal ?? 'no exit code'}` : `exited with ${record.code}`;
    const why = record.reason ?? record.limit;
    return this.#line(oneLine(`[${how}${why === undefined ? '' : `: ${why}`}]`));
  }

  #line(text: string): string {
    const out = `${this.#atLineStart ? '' : '\n'}${text}\n`;
    this.#atLineStart = true;
    return out;
  }
}

function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

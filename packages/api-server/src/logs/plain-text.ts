import { LogLineSplitter, type LogRecord, oneLine, TerminalFilter } from '@ritmo/protocol';

/** The log as a person reads it: steps, their output, notes. `raw` leaves the output as it was printed. */
export async function* plainText(
  bytes: AsyncIterable<Uint8Array>,
  raw: boolean,
): AsyncGenerator<Uint8Array, void, void> {
  const writer = new TextWriter(raw);
  const encoder = new TextEncoder();
  const splitter = new LogLineSplitter();
  for await (const chunk of bytes) {
    let text = '';
    for (const record of splitter.push(chunk)) text += writer.write(record);
    if (text !== '') yield encoder.encode(text);
  }
  const end = writer.endStep();
  if (end !== '') yield encoder.encode(end);
}

class TextWriter {
  readonly #raw: boolean;
  /** By stream: a sequence cut off on one is not ended by the other. */
  #filters = new Map<number, TerminalFilter>();
  #atLineStart = true;

  constructor(raw: boolean) {
    this.#raw = raw;
  }

  write(record: LogRecord): string {
    switch (record.k) {
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
    const out = this.#raw ? text : this.#filterOf(stream).push(text);
    if (out !== '') this.#atLineStart = out.endsWith('\n');
    return out;
  }

  #filterOf(stream: number): TerminalFilter {
    let filter = this.#filters.get(stream);
    if (!filter) this.#filters.set(stream, (filter = new TerminalFilter({ colours: true, erase: true })));
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

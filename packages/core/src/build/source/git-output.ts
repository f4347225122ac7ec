import { StringDecoder } from 'node:string_decoder';
import type { OutputWriter } from '../../executor/sandbox.js';

const keptChars = 32_768;
const maxLine = 4096;
/** How often a line of progress is shown. */
const progressMs = 5000;

/**
 * What git says: whole lines go on to the log, of its progress one line every few seconds, and the end of all of it
 * is kept, since git tells what went wrong in words only.
 */
export class GitOutput implements OutputWriter {
  readonly #show: OutputWriter;
  readonly #streams: readonly string[];
  readonly #now: () => number;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #rest = { stdout: '', stderr: '' };
  readonly #kept = { stdout: '', stderr: '' };
  #shown: number;

  /** `show` gets what a person should see of these streams. `now` counts milliseconds. */
  constructor(show: OutputWriter, streams: readonly string[], now: () => number) {
    this.#show = show;
    this.#streams = streams;
    this.#now = now;
    this.#shown = now();
  }

  get stdout(): string {
    return this.#kept.stdout + this.#rest.stdout;
  }

  /** Without what the server says (`remote: …`), which must not pass for git's own words. */
  get stderr(): string {
    const lines = (this.#kept.stderr + this.#rest.stderr).split('\n');
    return lines.filter((line) => !line.startsWith('remote:')).join('\n');
  }

  async write(stream: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void> {
    const text = this.#rest[stream] + this.#decoders[stream].write(Buffer.from(bytes));
    const parts = text.split(/(?<=[\r\n])/);
    const last = parts.at(-1) ?? '';
    this.#rest[stream] = /[\r\n]$/.test(last) ? '' : last.slice(-maxLine);
    const whole = /[\r\n]$/.test(last) ? parts : parts.slice(0, -1);
    for (const part of whole) await this.#line(stream, part.slice(0, -1), part.endsWith('\r'));
  }

  async #line(stream: 'stdout' | 'stderr', line: string, progress: boolean): Promise<void> {
    if (progress && this.#now() - this.#shown < progressMs) return;
    if (!progress) this.#kept[stream] = `${this.#kept[stream]}${line}\n`.slice(-keptChars);
    // Its failures are told in the error, and a ref that is no branch may still be a tag.
    if (!this.#streams.includes(stream) || line.trim() === '' || line.startsWith('fatal: ')) return;
    this.#shown = this.#now();
    await this.#show.write(stream, Buffer.from(`${line.slice(0, maxLine).trimEnd()}\n`));
  }
}

import { StringDecoder } from 'node:string_decoder';
import type { OutputWriter } from '../executor/sandbox.js';

const maxLine = 2000;
/** Notes are exempt from the cap of a log, and what git prints is the word of a server: so much of it is kept. */
const maxChars = 1_048_576;

/** Turns the output of a tool (git) into notes of the job's log, a line each; of a progress line only its last state. */
export class NoteWriter implements OutputWriter {
  readonly #note: (line: string) => void;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  readonly #rest = { stdout: '', stderr: '' };

  #left = maxChars;

  constructor(note: (line: string) => void) {
    this.#note = note;
  }

  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    const lines = (this.#rest[stream] + this.#decoders[stream].write(Buffer.from(bytes))).split('\n');
    this.#rest[stream] = (lines.pop() ?? '').slice(-maxLine);
    for (const line of lines) this.#say(line);
  }

  /** Says what stands without a newline. */
  end(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#say(this.#rest[stream] + this.#decoders[stream].end());
      this.#rest[stream] = '';
    }
  }

  #say(line: string): void {
    const shown = line.slice(line.trimEnd().lastIndexOf('\r') + 1).trimEnd();
    if (!shown || this.#left < 0) return;
    const kept = shown.slice(0, maxLine);
    this.#left -= kept.length;
    this.#note(this.#left < 0 ? 'It said more, which is left out here.' : kept);
  }
}

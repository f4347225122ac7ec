import type { Readable } from 'node:stream';

const maxChars = 64 * 1024;

/** Collects what is said on a descriptor from the first byte on, up to a bound, whether anybody listens yet or not. */
export class ReportText {
  /** All that was said, once that has ended. */
  readonly ended: Promise<string>;
  #text = '';
  #seen: (text: string) => void = () => undefined;

  constructor(stream: Readable | undefined) {
    this.ended = stream === undefined ? Promise.resolve('') : this.#gather(stream);
  }

  /** Calls with all that has come so far: now, and whenever there is more. */
  follow(seen: (text: string) => void): void {
    this.#seen = seen;
    seen(this.#text);
  }

  #gather(stream: Readable): Promise<string> {
    return new Promise((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        if (this.#text.length > maxChars) return;
        this.#text += chunk.toString();
        this.#seen(this.#text);
      });
      stream.once('error', () => resolve(this.#text));
      stream.once('close', () => resolve(this.#text));
    });
  }
}

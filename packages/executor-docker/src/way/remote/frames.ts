export type StreamName = 'stdout' | 'stderr';

const headBytes = 8;

/**
 * Takes the stream of an attached command apart: frames of eight bytes (the stream's number, three zeros, the length) and
 * the content. `pass` gets content as it comes, without waiting for the end of a frame. Throws for what is no such stream.
 */
export class Frames {
  readonly #pass: (name: StreamName, bytes: Buffer) => void;
  #head = Buffer.alloc(0);
  #name: StreamName = 'stdout';
  #left = 0;

  constructor(pass: (name: StreamName, bytes: Buffer) => void) {
    this.#pass = pass;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const wanted = headBytes - this.#head.length;
        this.#head = Buffer.concat([this.#head, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (this.#head.length === headBytes) this.#begin();
      } else {
        const bytes = rest.subarray(0, this.#left);
        this.#left -= bytes.length;
        rest = rest.subarray(bytes.length);
        this.#pass(this.#name, bytes);
      }
    }
  }

  #begin(): void {
    const [number = 0, ...zeros] = this.#head.subarray(0, 4);
    if (number > 2 || zeros.some((byte) => byte !== 0)) throw new Error('the daemon sent no frames');
    this.#name = number === 2 ? 'stderr' : 'stdout';
    this.#left = this.#head.readUInt32BE(4);
    this.#head = Buffer.alloc(0);
  }
}

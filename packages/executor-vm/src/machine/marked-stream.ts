import type { Duplex } from 'node:stream';

/**
 * What a guest sends through one port. Nothing of it is read but between `begin` and the mark: a line of a byte 1 and a
 * random word, which the guest puts behind the last byte that counts.
 */
export class MarkedStream {
  readonly #stream: Duplex;
  #reading: { readonly mark: Buffer; readonly pass: (bytes: Buffer) => void; readonly done: () => void } | undefined;
  #held = Buffer.alloc(0);
  #paused = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.once('close', () => this.#finish());
    stream.pause();
  }

  /** Resolves when the mark has come, or the machine has ended. */
  begin(mark: string, pass: (bytes: Buffer) => void): Promise<void> {
    this.#held = Buffer.alloc(0);
    this.#paused = false;
    const ended = new Promise<void>((done) => {
      this.#reading = { mark: Buffer.from(`\x01${mark}\n`), pass, done };
    });
    if (this.#stream.destroyed) this.#finish();
    else this.#stream.resume();
    return ended;
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    if (this.#reading !== undefined) this.#stream.resume();
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#stream.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error))),
    );
  }

  #take(chunk: Buffer): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const end = all.indexOf(reading.mark);
    if (end >= 0) {
      if (end > 0) reading.pass(all.subarray(0, end));
      this.#finish();
      return;
    }
    const cut = possibleMark(all, reading.mark);
    // A copy: what is held must not keep the whole chunk in memory.
    this.#held = Buffer.from(all.subarray(cut));
    if (cut > 0) reading.pass(all.subarray(0, cut));
  }

  #finish(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    this.#held = Buffer.alloc(0);
    if (!this.#paused) this.#stream.pause();
    reading?.done();
  }
}

/** Where a mark may have begun whose rest is still to come; the length where none has. */
function possibleMark(bytes: Buffer, mark: Buffer): number {
  const at = bytes.lastIndexOf(1);
  const begun =
    at >= 0 && bytes.length - at < mark.length && mark.subarray(0, bytes.length - at).equals(bytes.subarray(at));
  return begun ? at : bytes.length;
}

import { showSize } from '@ritmo/protocol';

/** A note after so long without one, in milliseconds. */
const everyMs = 10_000;

/** Says in the log of the job how far a long upload is. */
export class UploadProgress {
  readonly #note: (text: string) => void;
  readonly #monotonic: () => number;
  readonly #begin: number;
  #last: number;
  #bytes = 0;

  constructor(note: (text: string) => void, monotonic: () => number) {
    this.#note = note;
    this.#monotonic = monotonic;
    this.#begin = monotonic();
    this.#last = this.#begin;
  }

  /** Counts bytes that were sent. */
  add(bytes: number, files: number): void {
    this.#bytes += bytes;
    const now = this.#monotonic();
    if (now - this.#last < everyMs) return;
    this.#last = now;
    const rate = showSize(Math.round((this.#bytes * 1000) / (now - this.#begin)));
    this.#note(`Storing artifacts: ${showSize(this.#bytes)} sent, ${files} files stored, ${rate}/s.`);
  }
}

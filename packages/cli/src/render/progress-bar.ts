import { showSize } from '@ritmo/protocol';
import type { Output } from '../io.js';

/** What is over sooner needs no bar, in milliseconds. */
const patienceMs = 500;
const everyMs = 100;
const width = 24;
const eraseLine = '\r\u001b[2K';

export interface Amounts {
  readonly foundFiles: number;
  readonly foundBytes: number;
  readonly storedFiles: number;
  readonly sentBytes: number;
}

/** One line at the end of a terminal that says how far the storing of artifacts is. Nothing where no person looks. */
export class ProgressBar {
  readonly #out: Output;
  readonly #now: () => number;
  #begin: number | undefined;
  #last = 0;
  #shown = false;

  constructor(out: Output, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
  }

  show({ foundFiles, foundBytes, storedFiles, sentBytes }: Amounts): void {
    if (!this.#out.terminal) return;
    const now = this.#now();
    this.#begin ??= now;
    if (now - this.#begin < patienceMs || now - this.#last < everyMs) return;
    this.#last = now;
    // A file that is sent again counts again.
    const share = foundBytes === 0 ? 0 : Math.min(1, sentBytes / foundBytes);
    const full = Math.round(share * width);
    const bar = `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
    const rate = showSize(Math.round((sentBytes * 1000) / (now - this.#begin)));
    const text = `storing ${bar} ${Math.floor(share * 100)} %  ${showSize(sentBytes)} of ${showSize(foundBytes)}, ${storedFiles} of ${foundFiles} files, ${rate}/s`;
    this.#out.write(`${eraseLine}${this.#out.style.dim(text.slice(0, Math.max(0, this.#out.columns - 1)))}`);
    this.#shown = true;
  }

  /** Takes the line away, before words of others and at the end. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#out.write(eraseLine);
  }
}

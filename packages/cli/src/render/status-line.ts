import type { Output } from '../io.js';

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const frameMs = 120;
/** How long nothing else is written before the line is drawn, so that it does not flicker between lines of output. */
const quietMs = 200;
/** Around what is drawn: the place and the colours of the build's output stay what they are, and nothing wraps. */
const [keep, restore] = ['\u001b7\u001b[0m\u001b[?7l', '\u001b[?7h\u001b8'];
const eraseLine = '\u001b[K';

/**
 * One line at the end of what was printed that says what goes on, while nothing else is written. It is taken away before
 * every other word, so that the text on the terminal is what it would be without it. Nothing on outputs that are no
 * terminal.
 */
export class StatusLine implements Disposable {
  readonly #out: Output;
  readonly #words: () => string | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #frame = 0;
  #shown = false;
  #writtenAt = performance.now();

  /** `words` answers what to say, or nothing where the last line is not ended. */
  constructor(out: Output, words: () => string | undefined) {
    this.#out = out;
    this.#words = words;
    if (out.erases) this.#timer = setInterval(() => this.#draw(), frameMs).unref();
  }

  /** Must be called before anything else is written. */
  clear(): void {
    this.#writtenAt = performance.now();
    if (!this.#shown) return;
    this.#shown = false;
    this.#out.write(`${keep}${eraseLine}${restore}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    if (performance.now() - this.#writtenAt < quietMs) return;
    const words = this.#words();
    if (words === undefined) return;
    const frame = frames[this.#frame++ % frames.length] ?? '';
    this.#out.write(`${keep}${eraseLine}${this.#out.style.dim(`${frame} ${words}`)}${restore}`);
    this.#shown = true;
  }
}

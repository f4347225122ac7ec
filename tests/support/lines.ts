/** What a program has printed so far, line by line, and a way to wait for a line of it. */
export class Lines {
  #rest = '';
  readonly #all: string[] = [];
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** Takes a piece of output, cut anywhere. */
  push(text: string): void {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    this.#all.push(...parts);
    this.#wake();
  }

  /** No more will come: whoever still waits is told so. */
  end(): void {
    if (this.#rest !== '') this.#all.push(this.#rest);
    this.#rest = '';
    this.#ended = true;
    this.#wake();
  }

  /** All whole lines so far. */
  get all(): readonly string[] {
    return this.#all;
  }

  get text(): string {
    return [...this.#all, this.#rest].join('\n');
  }

  /**
   * Resolves with the match of the first line that fits, printed already or still to come. Rejects with all that
   * was printed when the output ends first, or after `timeoutMs`.
   */
  async waitFor(pattern: RegExp, timeoutMs = 120_000): Promise<RegExpExecArray> {
    const timeout = AbortSignal.timeout(timeoutMs);
    for (let next = 0; ; ) {
      for (; next < this.#all.length; next += 1) {
        const match = pattern.exec(this.#all[next] ?? '');
        if (match) return match;
      }
      if (this.#ended) throw new Error(`the output ended without ${String(pattern)}:\n${this.text}`);
      if (timeout.aborted) throw new Error(`no line like ${String(pattern)} within ${timeoutMs} ms:\n${this.text}`);
      await this.#more(timeout);
    }
  }

  #more(timeout: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        timeout.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      timeout.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }
}

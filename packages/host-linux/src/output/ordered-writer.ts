import type { OutputWriter } from '@ritmo/agent-core/executor';

type StreamName = Parameters<OutputWriter['write']>[0];

/** What is read from: nothing more of it while the writer is full. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

/**
 * Carries what several streams give to one writer: one write at a time, in the order of arrival. After a failure it is
 * read on and thrown away, so that nobody hangs on a full pipe.
 */
export class OrderedWriter {
  readonly #sources: readonly Source[];
  #writer: OutputWriter | undefined;
  #waiting: Array<{ readonly name: StreamName; readonly bytes: Uint8Array }> = [];
  #full: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(writer: OutputWriter, sources: readonly Source[]) {
    this.#writer = writer;
    this.#sources = sources;
  }

  take(name: StreamName, bytes: Uint8Array): void {
    if (this.#full === undefined) this.#write(name, bytes);
    else this.#waiting.push({ name, bytes });
  }

  /** Resolves when all that was given is written; rejects when the writer failed. */
  async settled(): Promise<void> {
    while (this.#full !== undefined) await this.#full;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Writes nothing any more. */
  stop(): void {
    this.#writer = undefined;
    this.#waiting = [];
    this.#resume();
  }

  #write(name: StreamName, bytes: Uint8Array): void {
    if (this.#writer === undefined || this.#failure !== undefined) return;
    let full: void | Promise<void>;
    try {
      full = this.#writer.write(name, bytes);
    } catch (error) {
      this.#failure = { error };
      return;
    }
    if (full === undefined) return;
    for (const source of this.#sources) source.pause();
    this.#full = full.then(
      () => this.#goOn(),
      (error: unknown) => {
        this.#failure ??= { error };
        this.#goOn();
      },
    );
  }

  #goOn(): void {
    this.#full = undefined;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#write(next.name, next.bytes);
      if (this.#full !== undefined) return;
    }
    this.#resume();
  }

  #resume(): void {
    for (const source of this.#sources) source.resume();
  }
}

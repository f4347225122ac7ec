import type { Readable } from 'node:stream';
import type { OutputWriter } from '@ritmo/agent-core/executor';

/**
 * Carries what a command prints to the writer, and reads no further while the writer is full. `done` resolves at the
 * end of both streams and rejects when the writer fails; what comes then is thrown away, so that nobody hangs on it.
 */
export class OutputPump {
  readonly done: Promise<void>;
  readonly #writer: OutputWriter;
  readonly #streams: readonly Readable[];
  #full: Promise<void> | undefined;
  #failure: unknown;
  #failed = false;

  constructor(stdout: Readable, stderr: Readable, writer: OutputWriter) {
    this.#writer = writer;
    this.#streams = [stdout, stderr];
    this.done = Promise.all([this.#carry(stdout, 'stdout'), this.#carry(stderr, 'stderr')]).then(() => {
      if (this.#failed) throw this.#failure;
    });
    this.done.catch(() => undefined);
  }

  /** Stops reading: for pipes that somebody outside of our reach still holds. */
  abandon(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  async #carry(stream: Readable, name: 'stdout' | 'stderr'): Promise<void> {
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        while (this.#full !== undefined) await this.#full;
        if (!this.#failed) await this.#write(name, chunk);
      }
    } catch (error) {
      if (!stream.destroyed || this.#failed) this.#fail(error);
    }
  }

  /** One write waits at a time, whichever stream it came from. */
  async #write(name: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> {
    try {
      const full = this.#writer.write(name, chunk);
      if (full === undefined) return;
      this.#full = full.then(
        () => (this.#full = undefined),
        (error: unknown) => {
          this.#full = undefined;
          this.#fail(error);
        },
      );
      await this.#full;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
  }
}

import type { OutputWriter } from '@ritmo/agent-core/executor';
import type { MarkedStream } from '../machine/marked-stream.js';

type StreamName = 'stdout' | 'stderr';

/**
 * Carries what a step prints to its writer, and reads no further while that is full: then the guest's pipe fills, and
 * the step waits.
 */
export class Output {
  readonly #streams: readonly MarkedStream[];
  readonly #ended: Promise<unknown>;
  #writer: OutputWriter | undefined;
  #waiting: Array<{ readonly name: StreamName; readonly bytes: Buffer }> = [];
  #full: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(stdout: MarkedStream, stderr: MarkedStream, mark: string, writer: OutputWriter) {
    this.#streams = [stdout, stderr];
    this.#writer = writer;
    this.#ended = Promise.all([
      stdout.begin(mark, (bytes) => this.#take('stdout', bytes)),
      stderr.begin(mark, (bytes) => this.#take('stderr', bytes)),
    ]);
  }

  /** Resolves when both marks have come and everything was taken; rejects when the writer failed. */
  async finish(): Promise<void> {
    await this.#ended;
    while (this.#full !== undefined) await this.#full;
    this.stop();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Writes nothing any more. What still comes is thrown away up to the marks. */
  stop(): void {
    this.#writer = undefined;
    this.#waiting = [];
    for (const stream of this.#streams) stream.resume();
  }

  #take(name: StreamName, bytes: Buffer): void {
    if (this.#full === undefined) this.#write(name, bytes);
    else this.#waiting.push({ name, bytes });
  }

  /** One write waits at a time, whichever stream it came from. */
  #write(name: StreamName, bytes: Buffer): void {
    // After a failure it is read on, so that nobody hangs on a full pipe.
    if (this.#writer === undefined || this.#failure !== undefined) return;
    let full: void | Promise<void>;
    try {
      full = this.#writer.write(name, bytes);
    } catch (error) {
      this.#failure = { error };
      return;
    }
    if (full === undefined) return;
    for (const stream of this.#streams) stream.pause();
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
    for (const stream of this.#streams) stream.resume();
  }
}

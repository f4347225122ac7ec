import type { OutputWriter } from '@ritmo/agent-core/executor';
import { OrderedWriter } from '@ritmo/host-linux';
import type { MarkedStream } from '../machine/marked-stream.js';

/**
 * Carries what a step prints to its writer, and reads no further while that is full: then the guest's pipe fills, and
 * the step waits.
 */
export class Output {
  readonly #ended: Promise<unknown>;
  readonly #writer: OrderedWriter;

  constructor(stdout: MarkedStream, stderr: MarkedStream, mark: string, writer: OutputWriter) {
    const ordered = new OrderedWriter(writer, [stdout, stderr]);
    this.#writer = ordered;
    this.#ended = Promise.all([
      stdout.begin(mark, (bytes) => ordered.take('stdout', bytes)),
      stderr.begin(mark, (bytes) => ordered.take('stderr', bytes)),
    ]);
  }

  /** Resolves when both marks have come and everything was taken; rejects when the writer failed. */
  async finish(): Promise<void> {
    await this.#ended;
    await this.#writer.settled();
  }

  /** Writes nothing any more. What still comes is thrown away up to the marks. */
  stop(): void {
    this.#writer.stop();
  }
}

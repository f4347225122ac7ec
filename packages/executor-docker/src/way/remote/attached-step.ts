import type { Socket } from 'node:net';
import { type OutputWriter, RitmoError } from '@ritmo/agent-core/executor';
import { OrderedWriter } from '@ritmo/host-linux';
import type { Shell } from '../../supervisor/supervisor.js';
import { Frames } from './frames.js';
import { MarkedOutput, type StepEnd } from './marked-output.js';

/**
 * One step over the connection of its command. What it prints goes to the writer, and nothing more is read while that is
 * full: then the daemon's buffers fill, and the step waits.
 */
export class AttachedStep {
  readonly #socket: Socket;
  readonly #marked: MarkedOutput;
  readonly #frames: Frames;
  readonly #writer: OrderedWriter;
  #violation: RitmoError | undefined;
  #isClosed = false;
  #resolve: () => void = () => undefined;
  /** Resolves when the connection has ended. */
  readonly #closed = new Promise<void>((resolve) => (this.#resolve = resolve));

  constructor(socket: Socket, nonce: string, shell: Shell, writer: OutputWriter) {
    this.#socket = socket;
    const ordered = new OrderedWriter(writer, [socket]);
    this.#writer = ordered;
    this.#marked = new MarkedOutput(nonce, shell, (bytes) => ordered.take('stdout', bytes));
    this.#frames = new Frames((name, bytes) => {
      if (name === 'stdout') this.#marked.take(bytes);
      else ordered.take('stderr', bytes);
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    for (const event of ['end', 'close'] as const) socket.once(event, () => this.#close());
  }

  send(script: string): void {
    this.#socket.write(script);
  }

  /** The shell around the step, by the number that it has inside; undefined before the program runs. */
  get wrapper(): number | undefined {
    return this.#marked.wrapper;
  }

  /**
   * Resolves with what the shell said of the end, once all of the output is taken; undefined where it ended without a
   * word. Rejects with RITMO_SANDBOX_BROKEN when it says what it must not, and when the writer failed.
   */
  async ended(): Promise<StepEnd | undefined> {
    await this.#closed;
    if (this.#violation !== undefined) throw this.#violation;
    await this.#writer.settled();
    return this.#marked.end;
  }

  /** Nothing is written any more, and nobody waits. */
  stop(): void {
    this.#writer.stop();
    this.#socket.destroy();
    this.#close();
  }

  #take(chunk: Buffer): void {
    try {
      this.#frames.take(chunk);
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#violation ??= new RitmoError('RITMO_SANDBOX_BROKEN', `The shell that runs the step said ${what}.`, {
        hint: 'A step has tampered with it; the outcome of the job cannot be known.',
      });
      this.stop();
    }
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#marked.flush();
    this.#resolve();
  }
}

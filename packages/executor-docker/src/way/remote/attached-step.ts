import type { Socket } from 'node:net';
import { type OutputWriter, RitmoError } from '@ritmo/agent-core/executor';
import type { Shell } from '../../supervisor/supervisor.js';
import { Frames, type StreamName } from './frames.js';
import { MarkedOutput, type StepEnd } from './marked-output.js';

/**
 * One step over the connection of its command. What it prints goes to the writer, and nothing more is read while that is
 * full: then the daemon's buffers fill, and the step waits.
 */
export class AttachedStep {
  readonly #socket: Socket;
  readonly #marked: MarkedOutput;
  readonly #frames: Frames;
  readonly #waiting: Array<{ readonly name: StreamName; readonly bytes: Buffer }> = [];
  #writer: OutputWriter | undefined;
  #full: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #violation: RitmoError | undefined;
  #closed = false;
  #resolve: () => void = () => undefined;
  /** Resolves when the connection has ended and all that came was taken. */
  readonly #over = new Promise<void>((resolve) => (this.#resolve = resolve));

  constructor(socket: Socket, nonce: string, shell: Shell, writer: OutputWriter) {
    this.#socket = socket;
    this.#writer = writer;
    this.#marked = new MarkedOutput(nonce, shell, (bytes) => this.#give('stdout', bytes));
    this.#frames = new Frames((name, bytes) => {
      if (name === 'stdout') this.#marked.take(bytes);
      else this.#give('stderr', bytes);
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
    await this.#over;
    if (this.#violation !== undefined) throw this.#violation;
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#marked.end;
  }

  /** Nothing is written any more, and nobody waits. */
  stop(): void {
    this.#writer = undefined;
    this.#waiting.length = 0;
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
    if (this.#closed) return;
    this.#closed = true;
    this.#marked.flush();
    if (this.#full === undefined) this.#resolve();
  }

  #give(name: StreamName, bytes: Buffer): void {
    if (this.#full === undefined) this.#write(name, bytes);
    else this.#waiting.push({ name, bytes });
  }

  /** One write waits at a time, whichever stream it came from. */
  #write(name: StreamName, bytes: Buffer): void {
    // After a failure it is read on and thrown away, so that nobody hangs on a full pipe.
    if (this.#writer === undefined || this.#failure !== undefined) return;
    let full: void | Promise<void>;
    try {
      full = this.#writer.write(name, bytes);
    } catch (error) {
      this.#failure = { error };
      return;
    }
    if (full === undefined) return;
    this.#socket.pause();
    this.#full = full
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => this.#goOn());
  }

  #goOn(): void {
    this.#full = undefined;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#write(next.name, next.bytes);
      if (this.#full !== undefined) return;
    }
    if (this.#closed) this.#resolve();
    else this.#socket.resume();
  }
}

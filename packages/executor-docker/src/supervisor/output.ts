import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { OutputWriter } from '@ritmo/agent-core/executor';

type StreamName = 'stdout' | 'stderr';
const markBytes = 32;

/**
 * Carries what steps print from the FIFOs to the writer of the step that runs, and reads no further while it is full.
 * A FIFO that others hold open never ends: once nothing of a step runs any more, `finish` puts a random mark behind
 * its last byte, and is done when that has come through.
 */
export class Output {
  readonly #channels: readonly Channel[];
  #writer: OutputWriter | undefined;
  /** What came while the writer was full: at most what the sockets had handed over already. */
  #waiting: Array<{ readonly name: StreamName; readonly bytes: Buffer }> = [];
  #full: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(stdout: Socket, stderr: Socket) {
    this.#channels = [
      new Channel(stdout, (bytes) => this.#take('stdout', bytes)),
      new Channel(stderr, (bytes) => this.#take('stderr', bytes)),
    ];
  }

  begin(writer: OutputWriter): void {
    this.#writer = writer;
    this.#failure = undefined;
    for (const channel of this.#channels) channel.resume();
  }

  /** Resolves when everything was taken; rejects when the writer failed. Nothing is written afterwards. */
  async finish(): Promise<void> {
    await Promise.all(this.#channels.map((channel) => channel.drain()));
    while (this.#full !== undefined) await this.#full;
    this.stop();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Stops at once: for a container that is gone. */
  stop(): void {
    this.#writer = undefined;
    this.#waiting = [];
    for (const channel of this.#channels) channel.pause();
  }

  #take(name: StreamName, bytes: Buffer): void {
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
    for (const channel of this.#channels) channel.pause();
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
    if (this.#writer !== undefined) for (const channel of this.#channels) channel.resume();
  }
}

/** One FIFO, and the mark that ends what a step printed into it. */
class Channel {
  readonly #socket: Socket;
  readonly #pass: (bytes: Buffer) => void;
  #drain: { readonly mark: Buffer; held: Buffer; readonly done: () => void } | undefined;

  constructor(socket: Socket, pass: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#pass = pass;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('close', () => this.#drained());
    socket.pause();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when all that was printed so far has been passed on. */
  async drain(): Promise<void> {
    if (this.#socket.destroyed) return;
    const mark = randomBytes(markBytes);
    await new Promise<void>((done) => {
      this.#drain = { mark, held: Buffer.alloc(0), done };
      this.#socket.write(mark);
    });
  }

  #take(chunk: Buffer): void {
    const drain = this.#drain;
    if (drain === undefined) {
      this.#pass(chunk);
      return;
    }
    const all = drain.held.length === 0 ? chunk : Buffer.concat([drain.held, chunk]);
    const cut = Math.max(0, all.length - markBytes);
    drain.held = all.subarray(cut);
    if (cut > 0) this.#pass(all.subarray(0, cut));
    if (drain.held.equals(drain.mark)) this.#drained();
  }

  #drained(): void {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.done();
  }
}

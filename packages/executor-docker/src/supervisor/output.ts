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
  #gate: Promise<void> = Promise.resolve();

  constructor(stdout: Socket, stderr: Socket) {
    this.#channels = [new Channel(stdout, 'stdout'), new Channel(stderr, 'stderr')];
  }

  begin(writer: OutputWriter): void {
    const write = (name: StreamName, bytes: Uint8Array): Promise<void> => {
      // One write waits at a time, whichever stream it came from.
      this.#gate = this.#gate.then(() => writer.write(name, bytes));
      this.#gate.catch(() => undefined);
      return this.#gate;
    };
    this.#gate = Promise.resolve();
    for (const channel of this.#channels) channel.begin(write);
  }

  /** Resolves when everything was taken; rejects when the writer failed. Nothing is written afterwards. */
  async finish(): Promise<void> {
    await Promise.all(this.#channels.map((channel) => channel.finish()));
    await this.#gate;
  }

  /** Stops at once: for a container that is gone. */
  stop(): void {
    for (const channel of this.#channels) channel.stop();
  }
}

class Channel {
  readonly #socket: Socket;
  readonly #name: StreamName;
  #write: ((name: StreamName, bytes: Uint8Array) => Promise<void>) | undefined;
  #mark: Buffer | undefined;
  #held: Buffer = Buffer.alloc(0);
  #done: PromiseWithResolvers | undefined;
  #failure: { readonly error: unknown } | undefined;
  #pending: Promise<void> = Promise.resolve();

  constructor(socket: Socket, name: StreamName) {
    this.#socket = socket;
    this.#name = name;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('close', () => this.#done?.resolve());
    socket.pause();
  }

  begin(write: (name: StreamName, bytes: Uint8Array) => Promise<void>): void {
    this.#write = write;
    this.#failure = undefined;
    this.#mark = undefined;
    this.#pending = Promise.resolve();
    this.#socket.resume();
  }

  async finish(): Promise<void> {
    if (!this.#socket.destroyed) {
      this.#done = withResolvers();
      // What is still on its way to the writer came before the mark.
      const mark = randomBytes(markBytes);
      this.#mark = mark;
      this.#socket.write(mark);
      await this.#done.promise;
    }
    this.stop();
    await this.#pending;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  stop(): void {
    this.#socket.pause();
    this.#write = undefined;
    this.#mark = undefined;
    this.#held = Buffer.alloc(0);
    this.#done?.resolve();
  }

  #take(chunk: Buffer): void {
    if (this.#mark === undefined) {
      this.#pass(chunk);
      return;
    }
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const cut = Math.max(0, all.length - markBytes);
    this.#held = Buffer.from(all.subarray(cut));
    if (cut > 0) this.#pass(all.subarray(0, cut));
    if (this.#held.equals(this.#mark)) this.#done?.resolve();
  }

  #pass(bytes: Buffer): void {
    if (this.#write === undefined || this.#failure !== undefined) return;
    this.#socket.pause();
    this.#pending = this.#write(this.#name, bytes).then(
      () => void (this.#write !== undefined && this.#socket.resume()),
      (error: unknown) => {
        this.#failure ??= { error };
        // Read on, so that nobody hangs on a full pipe.
        if (this.#write !== undefined) this.#socket.resume();
      },
    );
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  resolve(): void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

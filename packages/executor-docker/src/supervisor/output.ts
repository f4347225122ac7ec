import type { Socket } from 'node:net';
import type { OutputWriter } from '@ritmo/agent-core/executor';

export type StreamName = 'stdout' | 'stderr';
const names = ['stdout', 'stderr'] as const;

/** Random marks that end a step's output in one stream. */
export interface Marks {
  /** The one that we put behind its last byte. */
  readonly last: Buffer;
  /** Those that agents before us may have put there, the oldest first. */
  readonly before: readonly Buffer[];
}

/** Opens a stream; `take` answers whether the next chunk may be read. */
export type OpenStream = (name: StreamName, take: (bytes: Buffer) => boolean) => Socket;

/**
 * Carries what steps print from the FIFOs to the writer of the step that runs, and reads no further while it is full:
 * one chunk at a time is in our hands. A FIFO that others hold open never ends: once nothing of a step runs any more,
 * `finish` puts a mark behind its last byte, and is done when that has come through.
 */
export class Output {
  readonly #open: OpenStream;
  #channels: ReadonlyArray<readonly [StreamName, Channel]> | undefined;
  #writer: OutputWriter | undefined;
  #full: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** Nothing is opened before the first `begin`. */
  constructor(open: OpenStream) {
    this.#open = open;
  }

  begin(writer: OutputWriter): void {
    this.#writer = writer;
    this.#failure = undefined;
    if (this.#channels === undefined) {
      this.#channels = names.map(
        (name) => [name, new Channel(name, this.#open, (bytes) => this.#write(name, bytes))] as const,
      );
    } else for (const [, channel] of this.#channels) channel.resume();
  }

  /** Resolves when everything was taken; rejects when the writer failed. Nothing is written afterwards. */
  async finish(marks: (name: StreamName) => Marks): Promise<void> {
    await Promise.all((this.#channels ?? []).map(([name, channel]) => channel.drain(marks(name))));
    while (this.#full !== undefined) await this.#full;
    this.stop();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Stops at once: for a container that is gone. */
  stop(): void {
    this.#writer = undefined;
    for (const [, channel] of this.#channels ?? []) channel.pause();
  }

  /** Reads no more, and resolves when what was read is written. */
  async letGo(): Promise<void> {
    for (const [, channel] of this.#channels ?? []) channel.pause();
    const full = this.#full;
    this.#writer = undefined;
    await full;
  }

  /** Answers whether more may be read. One write waits at a time, whichever stream it came from. */
  #write(name: StreamName, bytes: Buffer): boolean {
    // After a failure it is read on and thrown away, so that nobody hangs on a full pipe.
    if (this.#writer === undefined || this.#failure !== undefined) return this.#writer !== undefined;
    let full: void | Promise<void>;
    try {
      full = this.#writer.write(name, bytes);
    } catch (error) {
      this.#failure = { error };
      return true;
    }
    if (full === undefined) return true;
    for (const [, channel] of this.#channels ?? []) channel.pause();
    this.#full = full
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .then(() => this.#goOn());
    return false;
  }

  #goOn(): void {
    this.#full = undefined;
    if (this.#writer !== undefined) for (const [, channel] of this.#channels ?? []) channel.resume();
  }
}

interface Drain extends Marks {
  /** What came last, long enough for all marks. */
  readonly held: Buffer;
  readonly done: () => void;
}

/** One FIFO, and the mark that ends what a step printed into it. */
class Channel {
  readonly #socket: Socket;
  readonly #pass: (bytes: Buffer) => boolean;
  /** Nothing of the stream has been passed on yet. */
  #fresh = true;
  #drain: Drain | undefined;

  constructor(name: StreamName, open: OpenStream, pass: (bytes: Buffer) => boolean) {
    this.#pass = pass;
    this.#socket = open(name, (chunk) => this.#take(chunk));
    this.#socket.once('close', () => this.#drained());
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when all that was printed so far has been passed on. */
  async drain(marks: Marks): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((done) => {
      this.#drain = { ...marks, held: Buffer.alloc(0), done };
      this.#socket.write(marks.last);
    });
  }

  #take(chunk: Buffer): boolean {
    const drain = this.#drain;
    if (drain === undefined) return this.#passOn(chunk);
    const all = Buffer.concat([drain.held, chunk]);
    if (endsWith(all, drain.last)) {
      const rest = withoutMarks(all.subarray(0, -drain.last.length), drain.before, this.#fresh);
      const more = rest.length === 0 || this.#passOn(rest);
      this.#drained();
      return more;
    }
    const cut = Math.max(0, all.length - drain.last.length * (drain.before.length + 1));
    this.#drain = { ...drain, held: all.subarray(cut) };
    return cut === 0 || this.#passOn(all.subarray(0, cut));
  }

  #passOn(bytes: Buffer): boolean {
    this.#fresh = false;
    return this.#pass(bytes);
  }

  #drained(): void {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.done();
  }
}

const endsWith = (bytes: Buffer, end: Buffer) =>
  bytes.length >= end.length && bytes.subarray(bytes.length - end.length).equals(end);

/** `whole`: these are the first bytes that we have of the stream, so that they may begin in the middle of a mark. */
function withoutMarks(bytes: Buffer, marks: readonly Buffer[], whole: boolean): Buffer {
  let rest = bytes;
  for (const mark of marks.toReversed()) {
    if (endsWith(rest, mark)) rest = rest.subarray(0, -mark.length);
    else if (whole && rest.length < mark.length && endsWith(mark, rest)) return rest.subarray(0, 0);
  }
  return rest;
}

import type { OutputWriter } from '@ritmo/agent-core/executor';

type Stream = 'stdout' | 'stderr';

interface Waiter {
  readonly text: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Keeps what a step writes, lets a case wait for a text in it, and counts writes that come too late. */
export class Capture implements OutputWriter {
  readonly #chunks: { stream: Stream; bytes: Buffer }[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #tails: Record<Stream, string> = { stdout: '', stderr: '' };
  #settled = false;
  /** Writes after the step had settled. */
  late = 0;

  write(stream: Stream, bytes: Uint8Array): void {
    if (this.#settled) {
      this.late += 1;
      return;
    }
    const copy = Buffer.from(bytes);
    this.#chunks.push({ stream, bytes: copy });
    const seen = this.#tails[stream] + copy.toString('latin1');
    for (const waiter of this.#waiters) {
      if (!seen.includes(waiter.text)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    this.#tails[stream] = seen.slice(-256);
  }

  /** Resolves once the text (ASCII, at most 256 bytes) has been printed; rejects when the step ends without it. */
  printed(text: string): Promise<void> {
    if (this.stdout.includes(text) || this.stderr.includes(text)) return Promise.resolve();
    if (this.#settled) return Promise.reject(this.#missing(text));
    return new Promise((resolve, reject) => this.#waiters.add({ text, resolve, reject }));
  }

  /** Called when the step has settled: nothing may come after it. */
  settle(): void {
    this.#settled = true;
    for (const waiter of this.#waiters) waiter.reject(this.#missing(waiter.text));
    this.#waiters.clear();
  }

  bytes(stream: Stream): Buffer {
    return Buffer.concat(this.#chunks.filter((chunk) => chunk.stream === stream).map((chunk) => chunk.bytes));
  }

  get stdout(): string {
    return this.bytes('stdout').toString();
  }

  get stderr(): string {
    return this.bytes('stderr').toString();
  }

  /** Both streams in the order in which they came. */
  all(): string {
    return Buffer.concat(this.#chunks.map((chunk) => chunk.bytes)).toString();
  }

  #missing(text: string): Error {
    return new Error(
      `the step ended before it printed "${text}"; it printed: ${JSON.stringify(this.all().slice(-500))}`,
    );
  }
}

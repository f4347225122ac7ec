import type { Hash } from 'node:crypto';
import { RitmoError } from '../errors.js';

/** The bytes of a file on their way out: counted and hashed as they pass, so that the file is read once. */
export class MeasuredBody implements AsyncIterable<Uint8Array> {
  /** Set where the file itself could not be read as it was announced; no repeat helps then. */
  problem: RitmoError | undefined;
  readonly #path: string;
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #size: number;
  readonly #hash: Hash;
  readonly #progress: (bytes: number) => void;

  constructor(
    path: string,
    bytes: AsyncIterable<Uint8Array>,
    size: number,
    hash: Hash,
    progress: (bytes: number) => void,
  ) {
    this.#path = path;
    this.#bytes = bytes;
    this.#size = size;
    this.#hash = hash;
    this.#progress = progress;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let sent = 0;
    const source = this.#bytes[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await source.next().catch((error: unknown) => this.#failed('could not be read', error));
        if (next.done === true) break;
        sent += next.value.length;
        if (sent > this.#size) this.#failed('grew while it was read');
        this.#hash.update(next.value);
        yield next.value;
        this.#progress(next.value.length);
      }
      if (sent < this.#size) this.#failed('shrank while it was read');
    } finally {
      await source.return?.();
    }
  }

  #failed(what: string, cause?: unknown): never {
    const detail = cause instanceof Error ? `: ${cause.message}` : '';
    this.problem = new RitmoError('RITMO_ARTIFACT_UPLOAD', `${this.#path} ${what}${detail}.`, {
      cause,
      retryable: false,
      hint: 'Files must not change once the steps have ended.',
    });
    throw this.problem;
  }
}

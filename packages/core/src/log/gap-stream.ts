import type { MaskStream } from './mask-stream.js';

const nothing = new Uint8Array(0);

/** A stream of bytes that is being masked. */
export interface Masking {
  push(bytes: Uint8Array): Uint8Array;
  flush(): Uint8Array;
}

/**
 * Masks what goes on after a gap: where it begins with the rest of a secret whose beginning was lost, that is hidden
 * too. Its first bytes are held back for as long as they may still be such a rest.
 */
export class GapStream implements Masking {
  readonly #stream: MaskStream;
  /** Rests that the bytes so far fit: each pattern with where the rest begins. */
  #fitting: Rest[] | undefined;
  #held: Uint8Array[] = [];
  #length = 0;
  /** The longest rest that was whole. */
  #hidden = 0;

  constructor(stream: MaskStream, patterns: Iterable<Uint8Array>) {
    this.#stream = stream;
    this.#fitting = [...patterns].flatMap((pattern) =>
      Array.from({ length: pattern.length - 1 }, (_, index) => ({ pattern, start: index + 1 })),
    );
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#fitting === undefined) return this.#stream.push(bytes);
    for (const byte of bytes) {
      if (this.#fitting.length === 0) break;
      this.#take(byte);
    }
    this.#held.push(Uint8Array.from(bytes));
    return this.#fitting.length > 0 ? nothing : this.#release();
  }

  flush(): Uint8Array {
    return Buffer.concat([this.#fitting === undefined ? nothing : this.#release(), this.#stream.flush()]);
  }

  #take(byte: number): void {
    const fitting: Rest[] = [];
    for (const rest of this.#fitting ?? []) {
      const at = rest.start + this.#length;
      if (rest.pattern[at] !== byte) continue;
      if (at === rest.pattern.length - 1) this.#hidden = this.#length + 1;
      else fitting.push(rest);
    }
    this.#fitting = fitting;
    this.#length++;
  }

  #release(): Uint8Array {
    this.#fitting = undefined;
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    return this.#stream.push(bytes, this.#hidden);
  }
}

interface Rest {
  readonly pattern: Uint8Array;
  readonly start: number;
}

import type { PatternIndex } from './pattern-index.js';
import { Spans } from './spans.js';

const stars = Buffer.from('***');
const nothing = new Uint8Array(0);

/**
 * Masks one stream, wherever it is cut: each run of bytes that lie in a match becomes `***`. What may still become a
 * match is held back, and nothing else.
 */
export class MaskStream {
  readonly #source: () => readonly PatternIndex[];
  #indexes: readonly PatternIndex[] = [];
  /** One state for each index. */
  #states: number[] = [];
  /** The bytes that may begin a match. Positions count from the next byte to come, so these lie below 0. */
  #tail: Uint8Array = nothing;
  /** Matches that reach into the tail. */
  #spans = new Spans();
  /** Up to where everything has been given out. */
  #given = 0;
  /** The last thing given out was a mask that may go on. */
  #masking = false;

  constructor(source: () => readonly PatternIndex[]) {
    this.#source = source;
  }

  /** Bytes that wait for what follows them. */
  get held(): number {
    return -this.#given;
  }

  /**
   * Takes bytes and answers what can be shown by now, which may be a part of the same memory. The first `hidden` of
   * them are masked whatever they are.
   */
  push(bytes: Uint8Array, hidden = 0): Uint8Array {
    this.#update();
    if (this.#indexes.length === 0 || bytes.length === 0) return bytes;
    const known = new Spans();
    if (hidden > 0) known.add(0, hidden);
    const found = Spans.union(known, this.#scan(bytes));
    const keep = bytes.length - this.#deepest();
    const before = this.#tail.length;
    const all = before === 0 ? bytes : Buffer.concat([this.#tail, bytes]);
    const spans = Spans.union(this.#spans, found);
    const until = coveredUntil(spans, keep);
    const shown = this.#show(all, before, spans, until);
    this.#tail = keep === bytes.length ? nothing : new Uint8Array(all.subarray(before + keep));
    this.#spans = spans.after(keep, bytes.length);
    this.#given = until - bytes.length;
    return shown;
  }

  /** The stream ends, or the place for a match does: answers what was held. */
  flush(): Uint8Array {
    this.#update();
    const shown = this.#show(this.#tail, this.#tail.length, this.#spans, 0);
    this.#states.fill(0);
    this.#tail = nothing;
    this.#spans = new Spans();
    this.#given = 0;
    this.#masking = false;
    return shown;
  }

  #scan(bytes: Uint8Array): Spans {
    let all = new Spans();
    for (const [i, index] of this.#indexes.entries()) {
      const found = new Spans();
      this.#states[i] = index.scan(bytes, this.#states[i] as number, found);
      all = Spans.union(all, found);
    }
    return all;
  }

  #deepest(): number {
    let depth = 0;
    for (const [i, index] of this.#indexes.entries()) depth = Math.max(depth, index.depthOf(this.#states[i] as number));
    return depth;
  }

  /** Takes up patterns that were added meanwhile: they apply from the first byte that has not been given out. */
  #update(): void {
    const indexes = this.#source();
    if (indexes === this.#indexes) return;
    this.#indexes = indexes;
    this.#states = indexes.map(() => 0);
    this.#spans = Spans.union(this.#spans, this.#scan(this.#tail).after(0, this.#tail.length));
  }

  /** The bytes from what was given out up to `until`, masked. `origin` is where position 0 lies in `bytes`. */
  #show(bytes: Uint8Array, origin: number, spans: Spans, until: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    let at = this.#given;
    for (let i = 0; i < spans.size; i++) {
      const start = Math.max(spans.starts[i] as number, at);
      const end = Math.min(spans.ends[i] as number, until);
      if (end <= start) continue;
      if (start > at) {
        pieces.push(bytes.subarray(origin + at, origin + start));
        this.#masking = false;
      }
      if (!this.#masking) pieces.push(stars);
      this.#masking = true;
      at = end;
    }
    if (until > at) {
      pieces.push(bytes.subarray(origin + at, origin + until));
      this.#masking = false;
    }
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }
}

/** The end of the match that covers `position`, or the position itself. */
function coveredUntil(spans: Spans, position: number): number {
  for (let i = spans.size - 1; i >= 0; i--) {
    if ((spans.starts[i] as number) <= position && (spans.ends[i] as number) > position) return spans.ends[i] as number;
    if ((spans.ends[i] as number) <= position) break;
  }
  return position;
}

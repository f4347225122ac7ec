import { buildTrie, type PatternTrie } from './pattern-trie.js';
import type { Spans } from './spans.js';

/** Wherever the automaton stands this deep or less, skipping ahead is worth more than stepping on. */
const shallow = 2;
const hashBits = 16;

/**
 * Finds every occurrence of many byte patterns in a stream. Wu-Manber skips what cannot be one; where a pattern may
 * begin, and at the end of a chunk, the automaton takes over. So most bytes are never looked at, no byte more than
 * a few times whatever the text and the patterns are, and the state at a cut is exact.
 */
export class PatternIndex {
  readonly patterns: readonly Uint8Array[];
  readonly #trie: PatternTrie;
  /** How far a window may move on when it ends in a block; 0: a pattern may begin where the window does. */
  readonly #shift: Uint8Array;
  readonly #shortest: number;
  readonly #wide: boolean;

  /** Patterns of at least 4 bytes. */
  constructor(patterns: readonly Uint8Array[]) {
    this.patterns = patterns;
    this.#trie = buildTrie(patterns);
    this.#shortest = Math.min(255, ...patterns.map((pattern) => pattern.length));
    this.#wide = this.#shortest >= 6 || patterns.length > 100;
    this.#shift = this.#buildShift();
  }

  /** States of the automaton: what it costs to build and to keep. */
  get size(): number {
    return this.#trie.states;
  }

  /** How many of the last bytes before `state` are a prefix of a pattern. */
  depthOf(state: number): number {
    return this.#trie.depth[state] as number;
  }

  /** Goes on from `state` (0 at the start) over `bytes`, adds what it finds, counted from the first of them, and answers the new state. */
  scan(bytes: Uint8Array, state: number, found: Spans): number {
    const { depth } = this.#trie;
    const end = bytes.length;
    const window = this.#shortest;
    let at = 0;
    let now = state;
    let floor = -1;
    while (at < end) {
      // The prefix that is open starts after the last candidate, in these bytes, and is short: skip from there.
      const open = at - (depth[now] as number);
      if (open > floor && at - open <= shallow) {
        const last = this.#skip(bytes, open + window - 1);
        at = last - window + 1;
        now = 0;
        floor = at;
      }
      now = this.#step(now, bytes[at] as number);
      at++;
      const length = this.#trie.longest[now] as number;
      if (length !== 0) found.add(at - length, at);
    }
    return now;
  }

  #step(from: number, byte: number): number {
    const { roots, chain, forked, forks, fail } = this.#trie;
    let state = from;
    while (state !== 0) {
      if (chain[state] === byte) return state + 1;
      if (forked[state] === 1) {
        const to = forks.get(state * 256 + byte);
        if (to !== undefined) return to;
      }
      state = fail[state] as number;
    }
    return roots[byte] as number;
  }

  /** The first place from `last` on where a window may end that begins a pattern; at or past the end where there is none. */
  #skip(bytes: Uint8Array, last: number): number {
    const shift = this.#shift;
    const end = bytes.length;
    let at = last;
    if (this.#wide) {
      while (at < end) {
        const move = shift[wideBlock(bytes, at)] as number;
        if (move === 0) return at;
        at += move;
      }
      return at;
    }
    while (at < end) {
      const move = shift[((bytes[at - 1] as number) << 8) | (bytes[at] as number)] as number;
      if (move === 0) return at;
      at += move;
    }
    return at;
  }

  #buildShift(): Uint8Array {
    const window = this.#shortest;
    const first = this.#wide ? 2 : 1;
    const shift = new Uint8Array(1 << hashBits).fill(window - first);
    for (const pattern of this.patterns) {
      for (let last = first; last < window; last++) {
        const block = this.#wide
          ? wideBlock(pattern, last)
          : ((pattern[last - 1] as number) << 8) | (pattern[last] as number);
        shift[block] = Math.min(shift[block] as number, window - 1 - last);
      }
    }
    return shift;
  }
}

function wideBlock(bytes: Uint8Array, last: number): number {
  return (
    (((bytes[last - 2] as number) << 10) ^ ((bytes[last - 1] as number) << 5) ^ (bytes[last] as number)) &
    ((1 << hashBits) - 1)
  );
}

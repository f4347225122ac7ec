/**
 * The Aho-Corasick automaton of a set of patterns, as flat arrays. State 0 is the root. A child lies at the next
 * number wherever a pattern simply goes on, so a pattern adds at most one entry to `forks`, and long secrets cost
 * 15 bytes a byte.
 */
export interface PatternTrie {
  readonly states: number;
  /** Child of the root by byte; 0 where there is none. */
  readonly roots: Int32Array;
  /** The byte that leads from a state to the state after it; -1 where none does. */
  readonly chain: Int16Array;
  /** 1 where a state has children in `forks`. */
  readonly forked: Uint8Array;
  /** state * 256 + byte → child. */
  readonly forks: ReadonlyMap<number, number>;
  /** The state of the longest proper suffix that is a prefix of a pattern too. */
  readonly fail: Int32Array;
  /** Length of the prefix that a state stands for. */
  readonly depth: Int32Array;
  /** Length of the longest pattern that ends in a state; 0 where none does. */
  readonly longest: Int32Array;
}

/** Builds the automaton in time linear in the patterns' bytes. Patterns are not empty. */
export function buildTrie(patterns: readonly Uint8Array[]): PatternTrie {
  const room = patterns.reduce((sum, pattern) => sum + pattern.length, 1);
  const roots = new Int32Array(256);
  const chain = new Int16Array(room).fill(-1);
  const forked = new Uint8Array(room);
  const forks = new Map<number, number>();
  const depth = new Int32Array(room);
  const longest = new Int32Array(room);
  const parent = new Int32Array(room);
  const label = new Uint8Array(room);
  let states = 1;

  const child = (state: number, byte: number): number => {
    if (state === 0) return roots[byte] as number;
    if (chain[state] === byte) return state + 1;
    return forked[state] === 1 ? (forks.get(state * 256 + byte) ?? 0) : 0;
  };

  for (const pattern of patterns) {
    let state = 0;
    for (const byte of pattern) {
      let to = child(state, byte);
      if (to === 0) {
        to = states++;
        if (state === 0) roots[byte] = to;
        else if (to === state + 1) chain[state] = byte;
        else {
          forked[state] = 1;
          forks.set(state * 256 + byte, to);
        }
        parent[to] = state;
        label[to] = byte;
        depth[to] = (depth[state] as number) + 1;
      }
      state = to;
    }
    longest[state] = pattern.length;
  }

  const fail = new Int32Array(room);
  for (const state of byDepth(depth, states)) {
    const from = parent[state] as number;
    if (from !== 0) {
      const byte = label[state] as number;
      let back = fail[from] as number;
      let to = child(back, byte);
      while (to === 0 && back !== 0) {
        back = fail[back] as number;
        to = child(back, byte);
      }
      fail[state] = to;
    }
    if (longest[state] === 0) longest[state] = longest[fail[state] as number] as number;
  }
  return { states, roots, chain, forked, forks, fail, depth, longest };
}

/** All states but the root, the shallow ones first. */
function byDepth(depth: Int32Array, states: number): Int32Array {
  let deepest = 0;
  for (let state = 1; state < states; state++) deepest = Math.max(deepest, depth[state] as number);
  const place = new Int32Array(deepest + 2);
  for (let state = 1; state < states; state++) place[(depth[state] as number) + 1]!++;
  for (let d = 1; d < place.length; d++) place[d]! += place[d - 1] as number;
  const order = new Int32Array(states - 1);
  for (let state = 1; state < states; state++) order[place[depth[state] as number]!++] = state;
  return order;
}

/** Masks a whole text the slow and obvious way: every byte of every occurrence of every pattern. */
export function maskWhole(text: Buffer, patterns: readonly Uint8Array[]): Buffer {
  const covered = Array.from(text, () => false);
  for (const pattern of patterns) {
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1)) {
      covered.fill(true, at, at + pattern.length);
    }
  }
  const out: number[] = [];
  for (const [i, byte] of text.entries()) {
    if (covered[i] !== true) out.push(byte);
    else if (covered[i - 1] !== true) out.push(0x2a, 0x2a, 0x2a);
  }
  return Buffer.from(out);
}

/** How many bytes at the end of a text may become a match: the longest suffix that is a true prefix of a pattern. */
export function openPrefix(text: Buffer, patterns: readonly Uint8Array[]): number {
  let longest = 0;
  for (const pattern of patterns) {
    for (let length = Math.min(pattern.length - 1, text.length); length > longest; length--) {
      if (text.subarray(text.length - length).equals(pattern.subarray(0, length))) longest = length;
    }
  }
  return longest;
}

/** The text in pieces, cut at each of the places. */
export function cut(text: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => Math.min(place, text.length)))].toSorted((a, b) => a - b);
  const edges = [0, ...sorted, text.length];
  return edges.slice(1).map((end, i) => text.subarray(edges[i] as number, end));
}

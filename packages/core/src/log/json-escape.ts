const backslash = 0x5c;
const letterU = 0x75;
const hexDigits = Buffer.from('0123456789abcdef');

/** What follows the backslash for each byte that JSON must escape; `u` where the byte has no short form; 0 for all others. */
const escapes = Uint8Array.from({ length: 256 }, (_, byte) => {
  const text = JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
  return text.startsWith('\\') ? text.charCodeAt(1) : 0;
});

/** Most bytes that one byte of text becomes. */
export const longestEscape = 6;
/** Shorter text is not worth a view of its words. */
const wordsFrom = 64;

/**
 * Writes the inside of a JSON string: `text`, valid UTF-8, to `out` from `at` on, as far as `limit`. Answers where it
 * ended, or -1 where it may not fit. JSON escapes nothing above 0x7f, so no character is decoded.
 */
export function escapeJson(text: Uint8Array, out: Uint8Array, at: number, limit: number): number {
  const certain = limit - 4 * longestEscape;
  // Four bytes at a time, wherever they lie.
  const words = text.length < wordsFrom ? 0 : text.length & ~3;
  let to = at;
  let from = 0;
  if (words > 0) {
    const source = new DataView(text.buffer, text.byteOffset, text.byteLength);
    const target = new DataView(out.buffer, out.byteOffset, out.byteLength);
    for (; from < words; from += 4) {
      if (to > certain) return -1;
      const word = source.getInt32(from, true);
      if (mustEscape(word)) {
        for (let j = from; j < from + 4; j++) to = escapeByte(text[j] as number, out, to);
      } else {
        target.setInt32(to, word, true);
        to += 4;
      }
    }
  }
  for (; from < text.length; from++) {
    if (to > certain) return -1;
    to = escapeByte(text[from] as number, out, to);
  }
  return to;
}

/**
 * Whether one of the four bytes of a word is below 0x20, a quote or a backslash. Subtracting borrows into the top bit
 * of a byte that is smaller; what has its own top bit set does not count.
 */
function mustEscape(word: number): boolean {
  const quote = word ^ 0x22222222;
  const slash = word ^ 0x5c5c5c5c;
  const control = (word - 0x20202020) & ~word;
  return ((control | ((quote - 0x01010101) & ~quote) | ((slash - 0x01010101) & ~slash)) & 0x80808080) !== 0;
}

function escapeByte(byte: number, out: Uint8Array, at: number): number {
  const escape = escapes[byte] as number;
  if (escape === 0) {
    out[at] = byte;
    return at + 1;
  }
  out[at] = backslash;
  out[at + 1] = escape;
  if (escape !== letterU) return at + 2;
  out[at + 2] = 0x30;
  out[at + 3] = 0x30;
  out[at + 4] = hexDigits[byte >> 4] as number;
  out[at + 5] = hexDigits[byte & 15] as number;
  return at + longestEscape;
}

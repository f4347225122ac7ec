import { isUtf8 } from 'node:buffer';

/** How many bytes at the end begin a UTF-8 character that is not yet whole, and may still become one: 0 to 3. */
export function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const second = back > 1 ? bytes[bytes.length - back + 1] : undefined;
    return back < lengthOf(byte) && (second === undefined || mayFollow(byte, second)) ? back : 0;
  }
  return 0;
}

/** Where to cut so that at most `max` bytes stand before it and no character is cut. The bytes are valid UTF-8. */
export function cutBefore(bytes: Uint8Array, from: number, max: number): number {
  let end = from + max;
  if (end >= bytes.length) return bytes.length;
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return end;
}

/** The same text in valid UTF-8: what was not becomes U+FFFD. The same memory where it was valid. */
export function validUtf8(bytes: Uint8Array): Uint8Array {
  if (isUtf8(bytes)) return bytes;
  return Buffer.from(view(bytes).toString('utf8'), 'utf8');
}

/** The same memory as a Buffer. */
export function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function lengthOf(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/** Second bytes that no character has: overlong forms, surrogates, beyond U+10FFFF. */
function mayFollow(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  return lead === 0xf4 ? second <= 0x8f : true;
}

import { describe, expect, it } from 'vitest';
import { cutBefore, incompleteTail, validUtf8 } from '../../src/log/utf8.js';

describe('the end of a piece of UTF-8', () => {
  it('waits for the rest of a character, after each of its bytes but the last', () => {
    for (const character of ['a', 'é', '€', '\ud7ff', '\ue000', '😀', '\u{10ffff}']) {
      const bytes = Buffer.from(`x${character}`);
      for (let end = 1; end <= bytes.length; end++) {
        expect(incompleteTail(bytes.subarray(0, end)), `${character} ${end}`).toBe(end === bytes.length ? 0 : end - 1);
      }
    }
  });

  it('does not wait for what no byte can make a character', () => {
    for (const bytes of [
      [0xc0],
      [0xc1],
      [0xf5],
      [0xff],
      [0x80],
      [0xe0, 0x9f],
      [0xed, 0xa0],
      [0xf0, 0x8f],
      [0xf4, 0x90],
    ]) {
      expect(incompleteTail(Buffer.from(bytes)), bytes.join()).toBe(0);
      expect(validUtf8(Buffer.from(bytes)).length).toBeGreaterThan(0);
    }
    expect(incompleteTail(new Uint8Array(0))).toBe(0);
  });

  it('is cut before a character that would not fit', () => {
    const bytes = Buffer.from('ab€😀');
    expect([2, 3, 4, 5, 6, 8, 9].map((max) => cutBefore(bytes, 0, max))).toEqual([2, 2, 2, 5, 5, 5, 9]);
    expect(cutBefore(bytes, 2, 3)).toBe(5);
  });
});

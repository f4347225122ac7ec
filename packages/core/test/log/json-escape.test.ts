import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson } from '../../src/log/json-escape.js';

const unit = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', ' ', 'é', '€', '😀', '\u007f', '\u0080', '\u2028') },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x5f }).map((code) => String.fromCharCode(code)) },
);

describe('escaping text for JSON', () => {
  it('writes what JSON.stringify writes, wherever the text lies in memory', () => {
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 300, size: 'max' }), fc.nat(3), fc.nat(20), (text, shift, at) => {
        const bytes = Buffer.from(`${'x'.repeat(shift)}${text}`).subarray(shift);
        const out = Buffer.alloc(at + bytes.length * 6 + 24, '.');
        const end = escapeJson(bytes, out, at, out.length);
        expect(out.toString('utf8', at, end)).toBe(JSON.stringify(text).slice(1, -1));
        expect(out.toString('utf8', 0, at)).toBe('.'.repeat(at));
      }),
      { numRuns: 2000 },
    );
  });

  it('writes nothing beyond the limit, and says that it may not fit', () => {
    const text = Buffer.alloc(200, '\u0001');
    const out = Buffer.alloc(2000, '.');
    expect(escapeJson(text, out, 0, 1000)).toBe(-1);
    expect(out.subarray(1000).equals(Buffer.alloc(1000, '.'))).toBe(true);
    expect(escapeJson(text, out, 0, 1224)).toBe(1200);
  });
});

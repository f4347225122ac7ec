import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentBytes } from '../src/logs/recent-bytes.js';

/** All that is kept from `offset` on. */
function all(recent: RecentBytes, offset: number): Buffer {
  const parts: Uint8Array[] = [];
  let at = offset;
  for (let part = recent.from(at); part; part = recent.from(at)) {
    parts.push(part);
    at += part.byteLength;
  }
  return Buffer.concat(parts);
}

test('whoever follows right behind gets the bytes that were appended, wherever he stands', () => {
  fc.assert(
    fc.property(
      fc.nat(1e6),
      fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 8 }),
      fc.nat(),
      (begin, sizes, where) => {
        const recent = new RecentBytes();
        const written: Buffer[] = [];
        let end = begin;
        for (const [index, size] of sizes.entries()) {
          const bytes = Buffer.alloc(size, index + 1);
          recent.keep(end, bytes);
          written.push(bytes);
          end += size;
        }
        const whole = Buffer.concat(written);
        const kept = Math.min(whole.length, 900_000);
        const at = whole.length - (where % kept) - 1;
        expect(all(recent, begin + at).equals(whole.subarray(at))).toBe(true);
        expect(recent.from(end)).toBeUndefined();
      },
    ),
    { numRuns: 200 },
  );
});

test('only the newest MiB is kept', () => {
  const recent = new RecentBytes();
  for (let at = 0; at < 8; at++) recent.keep(at * 512 * 1024, Buffer.alloc(512 * 1024));
  expect(recent.from(0)).toBeUndefined();
  expect(recent.from(4 * 1024 * 1024 - 1)).toHaveLength(1);
});

test('what came while nobody followed is read from the disk', () => {
  const recent = new RecentBytes();
  recent.keep(0, Buffer.from('seen'));
  recent.keep(10, Buffer.from('later'));
  expect(recent.from(2)).toBeUndefined();
  expect(recent.from(6)).toBeUndefined();
  expect(Buffer.from(recent.from(11) ?? []).toString()).toBe('ater');
});

test('bytes that were given out do not change', () => {
  const recent = new RecentBytes();
  recent.keep(0, Buffer.from('one'));
  const seen = recent.from(0) ?? new Uint8Array();
  recent.keep(3, Buffer.from('two'));
  expect(Buffer.from(seen).toString()).toBe('one');
  expect(Buffer.from(recent.from(0) ?? []).toString()).toBe('onetwo');
});

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize, showDuration } from '../src/index.js';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['0s', 0],
  ])('%s is %d ms', (words, ms) => expect(parseDuration(words)).toBe(ms));

  test.each(['', '30', 's', '1.5h', '-1s', '30 m', '30M', '5s1m', '1m1m', '1e3s', '10 minutes', `${'9'.repeat(20)}d`])(
    '%j is none',
    (words) => expect(parseDuration(words)).toBeUndefined(),
  );

  test('every whole number of milliseconds comes back from its words', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe('a measured duration', () => {
  test.each([
    [0, '0 ms'],
    [339.6, '340 ms'],
    [999.7, '1.0 s'],
    [12_345, '12.3 s'],
    [59_960, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [3_599_700, '1 h 0 min'],
    [3_780_000, '1 h 3 min'],
  ])('of %d ms is shown as %s', (ms, shown) => expect(showDuration(ms)).toBe(shown));
});

describe('sizes', () => {
  test.each([
    ['100B', 100],
    ['64KiB', 65_536],
    ['512MiB', 536_870_912],
    ['2GB', 2_000_000_000],
    ['10GiB', 10_737_418_240],
    ['1.5GiB', 1_610_612_736],
    ['1kB', 1000],
    ['1KB', 1000],
    ['1TiB', 1_099_511_627_776],
  ])('%s is %d bytes', (words, bytes) => expect(parseSize(words)).toBe(bytes));

  test.each(['', '512', '512M', '512mib', '1,5GiB', '-1GiB', '0.3B', '2 GB', '99999999TiB'])('%j is none', (words) =>
    expect(parseSize(words)).toBeUndefined(),
  );

  test('every whole number of bytes comes back from its words', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  test('the shortest words are chosen', () => {
    expect([2 ** 31, 2e9, 1536, 7, 0].map(formatSize)).toEqual(['2GiB', '2GB', '1536B', '7B', '0B']);
  });
});

import { assert, double, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { waitMs } from '../../src/transport/retry.js';
import { retryAfterMs } from '../../src/transport/server-answer.js';

describe('the wait before the next try', () => {
  it('lies between 0.25 s and 30 s, whatever the failures and the outage', () => {
    const wait = tuple(
      integer({ min: 1, max: 1e6 }),
      double({ min: 0, max: 1e9, noNaN: true }),
      double({ min: 0, max: 0.999999, noNaN: true }),
    );
    assert(
      property(wait, ([failures, outageMs, random]) => {
        const ms = waitMs(failures, undefined, outageMs, () => random);
        return ms >= 250 && ms <= 30_000;
      }),
    );
  });

  it('doubles its bound at each failure', () => {
    expect([1, 2, 3, 8, 50].map((failures) => waitMs(failures, undefined, 0, () => 1))).toEqual([
      500, 1000, 2000, 30_000, 30_000,
    ]);
  });

  it('is a random part of the outage for a call that meets a long one', () => {
    expect(waitMs(1, undefined, 20_000, () => 1)).toBe(20_000);
    expect(waitMs(1, undefined, 600_000, () => 0.5)).toBe(15_125);
  });

  it('spreads a thousand workers that come back after an outage', () => {
    const waits = Array.from({ length: 1000 }, () => waitMs(1, undefined, 60_000, Math.random));
    const perSecond = Array.from(
      { length: 31 },
      (_, second) => waits.filter((ms) => Math.floor(ms / 1000) === second).length,
    );
    expect(Math.max(...perSecond)).toBeLessThan(100);
  });

  it('is what the server asks for, and at most a tenth more', () => {
    expect(waitMs(9, 5000, 1e6, () => 0)).toBe(5000);
    expect(waitMs(9, 5000, 1e6, () => 1)).toBe(5500);
    expect(waitMs(1, 0, 0, () => 0)).toBe(250);
    expect(waitMs(1, 1e12, 0, () => 0)).toBe(600_000);
  });

  it('reads Retry-After in seconds and as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterMs('7', now)).toBe(7000);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:00:09 GMT', now)).toBe(9000);
    expect(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfterMs('soon', now)).toBeUndefined();
    expect(retryAfterMs(undefined, now)).toBeUndefined();
  });
});

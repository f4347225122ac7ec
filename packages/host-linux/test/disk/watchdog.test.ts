import type { Clock } from '@ritmo/agent-core/executor';
import { expect, it } from 'vitest';
import { watchDisk } from '../../src/index.js';

/** Time passes when somebody sleeps, and while something is counted. */
class FakeClock implements Clock {
  time = 0;
  readonly slept: number[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.time += ms;
  }
}

function unexpected(error: unknown): void {
  throw error;
}

it('tells once when more is used than allowed, and then counts no more', async () => {
  const clock = new FakeClock();
  let bytes = 0;
  const told: number[] = [];
  const over = new Promise<void>((resolve) => {
    const size = () => Promise.resolve({ bytes: (bytes += 40), complete: true });
    const onOver = (found: number) => {
      told.push(found);
      resolve();
    };
    watchDisk({ size, limitBytes: 100, clock, onOver, onError: unexpected });
  });
  await over;
  const counted = bytes;
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([120]);
  expect(bytes).toBe(counted);
});

it('counts for a twentieth of the time at most', async () => {
  const clock = new FakeClock();
  let counts = 0;
  let spent = 0;
  await new Promise<void>((resolve) => {
    const size = () => {
      const took = 10 * 2 ** counts;
      counts += 1;
      clock.time += took;
      spent += took;
      return Promise.resolve({ bytes: counts, complete: true });
    };
    watchDisk({ size, limitBytes: 11, clock, onOver: () => resolve(), onError: unexpected });
  });
  const last = 10 * 2 ** 11;
  expect(spent - last).toBeLessThan((clock.time - last) / 20 + 1);
  expect(clock.slept[0]).toBe(1_000);
});

it('takes what cannot be counted for too much', async () => {
  const size = () => Promise.resolve({ bytes: 1, complete: false });
  await using watch = watchDisk({
    size,
    limitBytes: 10,
    clock: new FakeClock(),
    onOver: () => undefined,
    onError: unexpected,
  });
  expect(await watch.look()).toBe(true);
});

it('looks when asked, remembers the most, and goes on after a count that failed', async () => {
  const found = [7, 'broken', 3];
  const errors: unknown[] = [];
  const size = () => {
    const next = found.shift();
    return typeof next === 'number'
      ? Promise.resolve({ bytes: next, complete: true })
      : Promise.reject(new Error(String(next)));
  };
  await using watch = watchDisk({
    size,
    limitBytes: 10,
    clock: { now: () => 0, monotonic: () => 0, sleep: never },
    onOver: unexpected,
    onError: (error) => errors.push(error),
  });
  for (let look = 0; look < 3; look++) expect(await watch.look()).toBe(false);
  expect(watch.peakBytes).toBe(7);
  expect(errors).toEqual([new Error('broken')]);
});

function never(_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
}

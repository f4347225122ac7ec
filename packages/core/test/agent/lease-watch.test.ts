import { describe, expect, it, vi } from 'vitest';
import type { Build } from '../../src/build/build.js';
import { LeaseWatch } from '../../src/agent/lease-watch.js';

/** A build as the watch sees it, and what it was told. */
function held(onLost: 'fail' | 'requeue') {
  const told: unknown[] = [];
  const build = {
    job: { onLost },
    lease: { jobId: 'job-1', epoch: 1, ttlMs: 60_000 },
    cancel: (cause: unknown) => told.push(cause),
  };
  return { told, build: build as unknown as Build };
}

/** Clocks that run apart: `wall` and `monotonic` are how far each gets in a second. */
function watched(rates: { readonly wall: number; readonly monotonic: number }) {
  vi.useFakeTimers();
  const begin = Date.now();
  let jump = 0;
  const passed = () => Date.now() - begin;
  const clock = {
    now: () => begin + passed() * rates.wall + jump,
    monotonic: () => passed() * rates.monotonic,
    sleep: () => Promise.resolve(),
  };
  const woke = vi.fn();
  const watch = new LeaseWatch(clock, woke);
  return {
    watch,
    woke,
    jump: (ms: number) => {
      jump += ms;
    },
    async after(ms: number) {
      await vi.advanceTimersByTimeAsync(ms);
    },
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      vi.useRealTimers();
    },
  };
}

describe('the lease of a requeue build', () => {
  it.each([
    ['both clocks run true', { wall: 1, monotonic: 1 }],
    ['the wall clock stands still', { wall: 0, monotonic: 1 }],
    ['the wall clock runs backwards', { wall: -1, monotonic: 1 }],
    ['the monotonic clock stood still in a suspend', { wall: 1, monotonic: 0 }],
  ])('is given up 10 s before its end when %s', async (_name, rates) => {
    using lab = watched(rates);
    const { build, told } = held('requeue');
    lab.watch.renewed(build, lab.watch.mark());
    await lab.after(49_000);
    expect(told).toEqual([]);
    await lab.after(2_000);
    expect(told[0]).toEqual({ reason: 'lease-lost', graceMs: 5_000 });
  });

  it('counts from when its renewal was asked for', async () => {
    using lab = watched({ wall: 1, monotonic: 1 });
    const { build, told } = held('requeue');
    const asked = lab.watch.mark();
    await lab.after(30_000);
    lab.watch.renewed(build, asked);
    await lab.after(21_000);
    expect(told[0]).toMatchObject({ reason: 'lease-lost' });
  });

  it('is renewed first after a freeze within its time, and ends at once after a longer one', async () => {
    using lab = watched({ wall: 1, monotonic: 1 });
    const { build, told } = held('requeue');
    lab.watch.renewed(build, lab.watch.mark());
    lab.jump(55_000);
    await lab.after(1_000);
    expect(lab.woke).toHaveBeenCalledOnce();
    expect(told).toEqual([]);
    lab.watch.renewed(build, lab.watch.mark());
    lab.jump(120_000);
    await lab.after(1_000);
    expect(told).toEqual([{ reason: 'lease-lost', graceMs: 0 }]);
  });
});

it('lets a fail build run on, however long the server is away', async () => {
  using lab = watched({ wall: 1, monotonic: 1 });
  const { build, told } = held('fail');
  lab.watch.renewed(build, lab.watch.mark());
  await lab.after(3_600_000);
  expect(told).toEqual([]);
});

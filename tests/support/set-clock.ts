import { readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type * as Timers from 'node:timers/promises';

/** How the clocks of a process differ from those of the machine. */
export interface ClockSetting {
  /** Added to the wall clock, in milliseconds. */
  readonly jumpMs?: number;
  /** How fast both clocks and the timers run: 0.5 is half as fast. Fixed once the process has started. */
  readonly rate?: number;
}

/**
 * Preloaded into a process whose clocks a test sets: RITMO_TEST_CLOCK names a file with a ClockSetting, which is read
 * again and again.
 */
const file = process.env['RITMO_TEST_CLOCK'];
if (file !== undefined) {
  const wall = Date.now;
  const monotonic = performance.now.bind(performance);
  const startedAt = { wall: wall(), monotonic: monotonic() };
  const read = (): ClockSetting => JSON.parse(readFileSync(file, 'utf8')) as ClockSetting;
  const { rate = 1 } = read();
  let { jumpMs = 0 } = read();
  setInterval(() => {
    jumpMs = read().jumpMs ?? 0;
  }, 20).unref();
  Date.now = () => Math.round(startedAt.wall + (wall() - startedAt.wall) * rate + jumpMs);
  performance.now = () => startedAt.monotonic + (monotonic() - startedAt.monotonic) * rate;
  if (rate !== 1) slowTimers(rate);
}

/** A machine whose clock is slow wakes late as well. */
function slowTimers(rate: number): void {
  const promises = createRequire(import.meta.url)('node:timers/promises') as typeof Timers;
  const { setTimeout: delay } = promises;
  promises.setTimeout = (ms, ...rest) => delay((ms ?? 0) / rate, ...rest);
  const once = globalThis.setTimeout;
  const again = globalThis.setInterval;
  const slowed = (timer: typeof once | typeof again) =>
    ((callback: () => void, ms = 0, ...rest: unknown[]) =>
      (timer as typeof once)(callback, ms / rate, ...(rest as []))) as never;
  globalThis.setTimeout = Object.assign(slowed(once), once);
  globalThis.setInterval = slowed(again);
  syncBuiltinESMExports();
}

import { readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';

/**
 * Preloaded into a process whose clocks a test sets: RITMO_TEST_CLOCK names a file with a ClockSetting
 * (clock-setting.ts), which is read again and again.
 */
const file = process.env['RITMO_TEST_CLOCK'];
if (file !== undefined) {
  const wall = Date.now;
  const monotonic = performance.now.bind(performance);
  const startedAt = { wall: wall(), monotonic: monotonic() };
  const read = () => JSON.parse(readFileSync(file, 'utf8'));
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
function slowTimers(rate) {
  const promises = createRequire(import.meta.url)('node:timers/promises');
  const { setTimeout: delay } = promises;
  promises.setTimeout = (ms, ...rest) => delay((ms ?? 0) / rate, ...rest);
  const once = globalThis.setTimeout;
  const again = globalThis.setInterval;
  const slowed =
    (timer) =>
    (callback, ms = 0, ...rest) =>
      timer(callback, ms / rate, ...rest);
  globalThis.setTimeout = Object.assign(slowed(once), once);
  globalThis.setInterval = slowed(again);
  syncBuiltinESMExports();
}

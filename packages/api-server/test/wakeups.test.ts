import { setMaxListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Wakeups } from '../src/logs/wakeups.js';

const quiet = new AbortController().signal;
setMaxListeners(0, quiet);

/** Readers that count how often they were woken. */
function readers(wakeups: Wakeups, count: number) {
  let woken = 0;
  const all = Promise.all(
    Array.from({ length: count }, () =>
      wakeups.after(wakeups.changes, quiet).then(() => {
        woken++;
      }),
    ),
  );
  return { all, woken: () => woken };
}

test('a few readers are woken at once', async () => {
  const wakeups = new Wakeups();
  const few = readers(wakeups, 10);
  wakeups.wake();
  await Promise.resolve();
  await Promise.resolve();
  expect(few.woken()).toBe(10);
});

test('a crowd is woken a slice at a time, all of it, and others get their turn in between', async () => {
  const wakeups = new Wakeups();
  const crowd = readers(wakeups, 1000);
  wakeups.wake();
  wakeups.wake();
  const seen = new Set<number>();
  let ended = false;
  const watch = (): void => {
    seen.add(crowd.woken());
    if (!ended) setImmediate(watch);
  };
  watch();
  await crowd.all;
  ended = true;
  expect(crowd.woken()).toBe(1000);
  expect(seen.size).toBeGreaterThan(5);
});

test('a change that came before the reader waits is not slept through', async () => {
  const wakeups = new Wakeups();
  const { changes } = wakeups;
  wakeups.wake();
  await wakeups.after(changes, quiet);
});

test('a reader that goes is let go', async () => {
  const wakeups = new Wakeups();
  const stop = new AbortController();
  const waiting = wakeups.after(wakeups.changes, stop.signal);
  stop.abort();
  await waiting;
});

import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import type { Executor } from '../../src/executor/plugin.js';
import { HealthWatch } from '../../src/health/health-watch.js';
import { silentLogger } from '../../src/logger.js';

it('asks an executor every 30 s while it works, and every 5 s while it does not', async () => {
  let time = 0;
  const asked: number[] = [];
  const stop = new AbortController();
  const probe = async () => {
    asked.push(time);
    if (asked.length === 4) stop.abort();
    return { health: asked.length < 3 ? 'unavailable' : 'healthy', detail: '', facts: {} } as const;
  };
  const watch = new HealthWatch({
    ...{ executors: [{ name: 'one', probe } as unknown as Executor], folder: tmpdir(), minFreeDiskBytes: 0 },
    ...{ diskMs: 5_000, probeMs: 30_000, log: silentLogger, probed: () => undefined, changed: () => undefined },
    clock: {
      now: () => time,
      monotonic: () => time,
      sleep: async (ms) => {
        await Promise.resolve();
        time += ms;
      },
    },
  });
  await watch.run(stop.signal);
  expect(asked).toEqual([30_000, 35_000, 40_000, 70_000]);
});

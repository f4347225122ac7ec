import type { HeartbeatAnswer, WorkerStatus } from '@ritmo/protocol';
import { expect, it } from 'vitest';
import { Heartbeat } from '../../src/agent/heartbeat.js';
import { silentLogger } from '../../src/index.js';
import type { Transport } from '../../src/transport/transport.js';

it('is sent once more at once where it became due while one was on its way', async () => {
  const stop = new AbortController();
  const waiting: (() => void)[] = [];
  let sent = (): void => undefined;
  const transport = {
    heartbeat: () => {
      sent();
      return new Promise<HeartbeatAnswer>((resolve) => waiting.push(() => resolve({ jobs: [] })));
    },
  } as unknown as Transport;
  const next = () => new Promise<void>((resolve) => (sent = resolve));
  const heartbeat = new Heartbeat({
    transport,
    intervalMs: 3_600_000,
    clock: {
      now: () => 0,
      monotonic: () => 0,
      sleep: (_ms, signal) =>
        new Promise((_, reject) => {
          if (signal?.aborted) reject(signal.reason as Error);
          signal?.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    },
    log: silentLogger,
    status: () => ({}) as WorkerStatus,
    answered: () => undefined,
    failed: () => undefined,
  });
  const running = heartbeat.run(stop.signal);
  const first = next();
  heartbeat.now();
  await first;
  const second = next();
  heartbeat.now();
  waiting[0]?.();
  await second;
  expect(waiting).toHaveLength(2);
  stop.abort();
  waiting[1]?.();
  await running;
});

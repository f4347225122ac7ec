import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, type TestServer } from '../support/cluster.js';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { printedAt, printedHash, printer } from '../support/printed.js';

/** Seconds that outages last. CI is short of time; the whole minute is run with RITMO_OUTAGE_SECONDS=60. */
const outageSeconds = Number(process.env['RITMO_OUTAGE_SECONDS'] ?? 4);
const linesPerSecond = 100_000;
const isLog = (call: string) => /^PUT .*\/log\?/.test(call);

/** Prints `count` lines, 10 MB/s, through a proxy while `trouble` happens, and holds the log to what was printed. */
async function printThrough(
  count: number,
  trouble: (proxy: FaultProxy, server: TestServer, id: string) => Promise<void>,
): Promise<void> {
  const server = await startServer({ heartbeatMs: 500 });
  const proxy = await startFaultProxy(server.url);
  const worker = await readyWorker(server, { url: proxy.url, flags: ['--max-log-size', '2GiB'] });
  const id = await server.submit({ name: 'loud', steps: [{ run: printer(count, linesPerSecond) }] });
  await proxy.seen(/PUT .*\/log\?/);
  await trouble(proxy, server, id);
  expect((await server.ended(id)).state).toBe('succeeded');
  expect(await printedAt(server, id)).toBe(printedHash(count));
  worker.kill('SIGTERM');
  await worker.ended;
}

/** Nothing gets through for a while. */
async function outage(proxy: FaultProxy, fault: Fault): Promise<void> {
  proxy.fault = () => fault;
  await delay(outageSeconds * 1000);
  proxy.fault = () => 'pass';
}

describe('10 MB/s of output', { timeout: (outageSeconds * 10 + 120) * 1000 }, () => {
  it.each<[string, Fault]>([
    ['a server that is down', 'reset'],
    ['a proxy that answers 503', 'page'],
  ])('arrive whole through %s for a while', async (_title, fault) => {
    await printThrough(outageSeconds * linesPerSecond, (proxy) => outage(proxy, fault));
  });

  it.each<[string, Fault]>([
    ['connections that are cut in the middle of a body', 'cut-body'],
    ['answers that are lost after the server committed', 'lose'],
    ['answers that are cut', 'cut'],
  ])('arrive whole, each byte once, through %s', async (_title, fault) => {
    let hit = 0;
    await printThrough(3 * linesPerSecond, (proxy) => {
      // Every third: a line that works again and again, and never for long.
      let calls = 0;
      proxy.fault = (call) => {
        if (!isLog(call) || ++calls % 3 !== 0 || hit >= 5) return 'pass';
        hit++;
        return fault;
      };
      return Promise.resolve();
    });
    expect(hit).toBeGreaterThan(0);
  });

  it('arrive whole over a line of 500 ms', async () => {
    await printThrough(2 * linesPerSecond, (proxy) => {
      proxy.line = { latencyMs: 500 };
      return Promise.resolve();
    });
  });
});

describe('a line of 100 KB/s', () => {
  it('holds up no build: it ends in its own time, and the rest of its log arrives later', async () => {
    // 2 MB: at that speed a build that is held up would print for 20 seconds.
    await printThrough(20_000, async (proxy, server, id) => {
      proxy.line = { bytesPerSecond: 100_000 };
      // The build ends while its log is under way, which the heartbeat says.
      for (;;) {
        const worker = (await server.workers())[0];
        const running = worker?.running.find(({ jobId }) => jobId === id);
        if (running?.phase === 'finishing') break;
        await delay(50);
      }
      expect((await server.job(id)).state).toBe('running');
    });
  });
});

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLogger } from '../../src/logger.js';
import { parseAddress } from '../../src/transport/address.js';
import { type ApiCall, ApiClient } from '../../src/transport/api-client.js';
import { type Behaviour, type FakeServer, fakeServer, json } from './fake-server.js';
import { fastClock, memoryLog, never } from './support.js';

function clientOf(server: FakeServer, log = silentLogger): ApiClient {
  return new ApiClient({ address: parseAddress(server.address), clock: fastClock(), random: Math.random, log });
}

const call: ApiCall<{ good: boolean }> = {
  method: 'POST',
  path: '/v1/thing',
  token: 'secret-token',
  json: { a: 1 },
  schema: z.object({ good: z.boolean() }),
  timeoutMs: 150,
};

const silence: Behaviour = () => undefined;

/** Never silent, and never done. */
const drip: Behaviour = (_seen, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 10);
  response.on('close', () => clearInterval(timer));
};

describe('a server that takes its time', () => {
  it.each([
    ['says nothing', silence],
    ['begins an answer and never ends it', drip],
  ])('and %s is asked again when the time of the call is over', async (_name, fault) => {
    await using server = await fakeServer(json(200, { good: true }));
    server.script.push(fault);
    const log = memoryLog();
    await using client = clientOf(server, log);
    await expect(client.call(call, never())).resolves.toEqual({ good: true });
    // A busy machine may take too long for the second as well.
    expect(server.seen.length).toBeGreaterThanOrEqual(2);
    expect(log.lines[0]).toMatch(/no whole answer within|Timeout/);
    expect(log.lines.join()).not.toContain('secret-token');
  });

  it('loses no listener and no timer on the way', async () => {
    await using server = await fakeServer(json(200, { good: true }));
    await using client = clientOf(server);
    const controller = new AbortController();
    const counts = { added: 0, removed: 0 };
    const { signal } = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      counts.added++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      counts.removed++;
      remove(...args);
    };
    for (let n = 0; n < 20; n++) await client.call({ ...call, timeoutMs: 20_000 }, signal);
    expect(counts.added).toBe(20);
    expect(counts.removed).toBe(20);
  });
});

describe('an answer without end', () => {
  it('is no reason to fill the memory', async () => {
    await using server = await fakeServer((_seen, response) => {
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      response.writeHead(200, { 'content-type': 'application/json' });
      const pump = () => {
        while (!response.destroyed && response.write(chunk)) {
          // until the socket is full
        }
        if (!response.destroyed) response.once('drain', pump);
      };
      pump();
    });
    await using client = clientOf(server);
    const attempt = await client.attempt({ ...call, timeoutMs: 20_000 }, never());
    expect(attempt).toMatchObject({ kind: 'retry', why: expect.stringMatching(/longer than/) });
  });
});

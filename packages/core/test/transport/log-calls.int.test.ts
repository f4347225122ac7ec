import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { silentLogger } from '../../src/logger.js';
import { ApiClient } from '../../src/transport/api-client.js';
import { JobCalls } from '../../src/transport/job-calls.js';
import { LogCalls } from '../../src/transport/log-calls.js';
import { fakeServer, json, page, refusal } from './fake-server.js';
import { lease, never, transportTo } from './support.js';

describe('the log on its way', () => {
  it('is sent as octets from an offset on, with the epoch, and unpacked on loopback', async () => {
    await using server = await fakeServer(json(200, { next: 100_007, cancel: { reason: 'user', graceMs: 5 } }));
    await using transport = transportTo(server);
    const bytes = Buffer.alloc(100_000, 'line\n');
    const answer = await transport.appendLog(lease, 7, bytes, never());
    expect(answer).toEqual({ next: 100_007, cancel: { reason: 'user', graceMs: 5 } });
    const [seen] = server.seen;
    expect(seen).toMatchObject({ method: 'PUT', url: '/v1/jobs/job1/log?offset=7' });
    expect(seen?.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'ritmo-epoch': '3' });
    expect(seen?.headers['content-encoding']).toBeUndefined();
    expect(seen?.body.equals(bytes)).toBe(true);
  });

  it('is packed on its way to another machine where that makes it smaller', async () => {
    await using server = await fakeServer(json(200, { next: 1 }));
    const address = { base: `http://${server.address}`, loopback: false };
    await using api = new ApiClient({ address, clock: systemClock, random: Math.random, log: silentLogger });
    const log = new LogCalls(api, new JobCalls(api));
    const bytes = Buffer.alloc(100_000, 'line\n');
    await log.append(lease, 0, bytes, never());
    await log.append(lease, 0, Buffer.from('short'), never());
    expect(server.seen.map((seen) => seen.headers['content-encoding'])).toEqual(['gzip', undefined]);
    expect(gunzipSync(server.seen[0]?.body ?? '').equals(bytes)).toBe(true);
  });

  it('goes in smaller pieces over a line that is slow, and in larger ones when it is quick again', async () => {
    let slow = true;
    await using server = await fakeServer((seen, response, socket) => {
      const { time } = clock;
      clock.time = time + (slow ? 6_000 : 10);
      return json(200, { next: seen.body.length })(seen, response, socket);
    });
    const clock = { ...systemClock, time: 0, monotonic: () => clock.time };
    const address = { base: `http://${server.address}`, loopback: true };
    await using api = new ApiClient({ address, clock, random: Math.random, log: silentLogger });
    const log = new LogCalls(api, new JobCalls(api));
    const bytes = Buffer.alloc(4 * 1024 * 1024);
    const sizes = async (calls: number): Promise<number[]> => {
      const from = server.seen.length;
      for (let call = 0; call < calls; call++) await log.append(lease, 0, bytes, never());
      return server.seen.slice(from).map(({ body }) => body.length / 1024);
    };
    expect(await sizes(8)).toEqual([512, 256, 128, 64, 32, 16, 16, 16]);
    slow = false;
    expect(await sizes(10)).toEqual([16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
  });

  it('goes on where the server says after a gap', async () => {
    await using server = await fakeServer(refusal(416, 'RITMO_LOG_GAP', { next: 12 }));
    await using transport = transportTo(server);
    await expect(transport.appendLog(lease, 100, Buffer.from('x'), never())).resolves.toEqual({ next: 12 });
  });

  it.each([
    ['the server', refusal(413, 'RITMO_TOO_LARGE')],
    ['a proxy', page(413)],
  ])('is halved until %s takes it, and stays so', async (_name, tooLarge) => {
    const limit = 30_000;
    await using server = await fakeServer((seen, response, socket) => {
      if (seen.body.length > limit) return tooLarge(seen, response, socket);
      return json(200, { next: seen.body.length })(seen, response, socket);
    });
    await using transport = transportTo(server);
    const bytes = Buffer.alloc(100_000, 'x');
    await expect(transport.appendLog(lease, 0, bytes, never())).resolves.toEqual({ next: 25_000 });
    await transport.appendLog(lease, 25_000, bytes.subarray(25_000), never());
    expect(server.seen.map((seen) => seen.body.length)).toEqual([100_000, 50_000, 25_000, 25_000]);
  });

  it('ends where the server takes not even a little', async () => {
    await using server = await fakeServer(refusal(413, 'RITMO_TOO_LARGE'));
    await using transport = transportTo(server);
    await expect(transport.appendLog(lease, 0, Buffer.alloc(5000), never())).rejects.toMatchObject({
      code: 'RITMO_TOO_LARGE',
    });
  });

  it('asks for the offset without sending', async () => {
    await using server = await fakeServer(
      (_seen, response) => void response.writeHead(200, { 'Ritmo-Log-Next': '4711' }).end(),
    );
    await using transport = transportTo(server);
    await expect(transport.logOffset(lease, never())).resolves.toBe(4711);
    expect(server.seen).toMatchObject([{ method: 'HEAD', url: '/v1/jobs/job1/log', headers: { 'ritmo-epoch': '3' } }]);
  });

  it('asks for the offset again while the server is away', async () => {
    await using server = await fakeServer(
      (_seen, response) => void response.writeHead(200, { 'Ritmo-Log-Next': '1' }).end(),
    );
    server.script.push(page(502), page(503));
    await using transport = transportTo(server);
    await expect(transport.logOffset(lease, never())).resolves.toBe(1);
  });

  it('is sealed, or sent again from where the server says', async () => {
    await using server = await fakeServer(json(200, {}));
    server.script.push(refusal(412, 'RITMO_LOG_MISMATCH', { next: 0 }));
    await using transport = transportTo(server);
    const seal = { length: 3, sha256: 'a'.repeat(64), truncatedBytes: 0 };
    await expect(transport.sealLog(lease, seal, never())).resolves.toEqual({ next: 0 });
    await expect(transport.sealLog(lease, seal, never())).resolves.toBeUndefined();
    expect(JSON.parse(String(server.seen[0]?.body))).toEqual({ ...seal, epoch: 3 });
  });

  it('says that it is sealed already', async () => {
    await using server = await fakeServer(refusal(409, 'RITMO_SEALED'));
    await using transport = transportTo(server);
    await expect(transport.appendLog(lease, 0, Buffer.from('x'), never())).rejects.toMatchObject({
      code: 'RITMO_SEALED',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { freePort } from '../../../../tests/support/free-port.js';
import { codes } from '../../src/errors.js';
import { cut, fakeServer, half, json, page, refusal, reset } from './fake-server.js';
import {
  anOffer,
  fastClock,
  info,
  lease,
  memoryLog,
  never,
  registered,
  registrationAnswer,
  transportTo,
} from './support.js';

describe('calls of the worker API', () => {
  it('carry the protocol, a bearer token of the right role and a User-Agent with the version', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    await transport.accept(lease, never());
    const [first, second] = server.seen;
    expect(first).toMatchObject({
      method: 'POST',
      url: '/v1/workers',
      headers: { authorization: 'Bearer reg', 'ritmo-protocol': '1' },
    });
    expect(second).toMatchObject({ url: '/v1/jobs/job1/accept', headers: { authorization: 'Bearer job-token' } });
    expect(second?.headers['user-agent']).toMatch(/^ritmo-agent\/0\.1\.0 /);
    expect(JSON.parse(String(second?.body))).toEqual({ epoch: 3 });
  });

  it.each([
    ['a 503 of ours', refusal(503, 'RITMO_UNAVAILABLE')],
    ['a 429 of ours', refusal(429, 'RITMO_RATE_LIMITED')],
    ['a page of a proxy with status 502', page(502)],
    ['a page of a proxy with status 404', page(404)],
    ['a page of a proxy with status 401', page(401)],
    ['a page with status 200', page(200)],
    ['a redirect', page(302, { location: 'https://login.example.org/' })],
    ['an answer that is cut off', cut(registrationAnswer)],
    ['half of the JSON', half(registrationAnswer)],
    ['JSON of another shape', json(200, { hello: 'there' })],
    ['a reset', reset],
  ])('are repeated after %s', async (_name, fault) => {
    await using server = await fakeServer(json(201, registrationAnswer));
    const clock = fastClock();
    await using transport = transportTo(server, { clock });
    server.script.push(fault, fault);
    await expect(transport.register(info, never())).resolves.toEqual(registrationAnswer);
    expect(server.seen).toHaveLength(3);
    expect(clock.sleeps).toHaveLength(2);
    expect(Math.min(...clock.sleeps)).toBeGreaterThanOrEqual(250);
  });

  it('tell changes of the worker in their order, also where the first has to be repeated', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.script.push(refusal(503, 'RITMO_UNAVAILABLE'), refusal(503, 'RITMO_UNAVAILABLE'));
    const zones = ['a', 'b', 'c'];
    const gone = new AbortController();
    const given = transport.update({ labels: { zone: 'never' } }, gone.signal);
    gone.abort(new Error('given up'));
    const updates = zones.map((zone) => transport.update({ labels: { zone } }, never()));
    await expect(given).rejects.toThrow('given up');
    await Promise.all(updates);
    const told = server.seen
      .filter(({ method }) => method === 'PATCH')
      .map(({ body }) => (JSON.parse(String(body)) as { labels: { zone: string } }).labels.zone)
      .filter((zone) => zone !== 'never');
    expect(told.at(-1)).toBe('c');
    expect(told).toEqual(told.toSorted());
    expect(new Set(told)).toEqual(new Set(zones));
  });

  it('wait as long as the server asks for, in the body or in the header', async () => {
    await using server = await fakeServer(json(201, registrationAnswer));
    const clock = fastClock();
    await using transport = transportTo(server, { clock, random: () => 0 });
    server.script.push(refusal(503, 'RITMO_UNAVAILABLE', { retryAfterMs: 4321 }), page(503, { 'retry-after': '7' }));
    await transport.register(info, never());
    expect(clock.sleeps).toEqual([4321, 7000]);
  });

  it('go on when a server that was not there appears, and say so once at each end of the outage', async () => {
    const port = await freePort();
    const gone = await fakeServer(undefined, port);
    await gone.close();
    const log = memoryLog();
    const clock = fastClock();
    let back: Awaited<ReturnType<typeof fakeServer>> | undefined;
    const patient = {
      ...clock,
      sleep: async (ms: number, signal?: AbortSignal) => {
        if (clock.sleeps.length === 5) back = await fakeServer(json(201, registrationAnswer), port);
        await clock.sleep(ms, signal);
      },
    };
    await using transport = transportTo(gone, { clock: patient, log });
    await transport.register(info, never());
    await back?.close();
    expect(log.lines.filter((line) => line.startsWith('warn')).join()).toMatch(
      /^warn The API server http:\/\/127.* cannot be used: .*ECONNREFUSED[^\n]*$/,
    );
    expect(log.lines.filter((line) => line.startsWith('info'))).toEqual([
      expect.stringMatching(/answers again after \d+\.\d s/),
    ]);
    expect(log.lines.join()).not.toContain('Bearer');
  });

  it('end with the reason of the signal, also while the server is silent', async () => {
    const controller = new AbortController();
    await using server = await fakeServer(() => controller.abort(new Error('stop')));
    await using transport = transportTo(server);
    await expect(transport.register(info, controller.signal)).rejects.toThrow('stop');
  });

  it('end when the transport is closed, and are not repeated', async () => {
    await using server = await fakeServer();
    const transport = transportTo(server);
    server.otherwise = () => transport[Symbol.asyncDispose]();
    const closed = { code: 'RITMO_AGENT_STOPPING' };
    await expect(transport.register(info, never())).rejects.toMatchObject(closed);
    await expect(transport.register(info, never())).rejects.toMatchObject(closed);
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    [400, 'RITMO_INVALID_REQUEST'],
    [403, 'RITMO_FORBIDDEN'],
    [409, 'RITMO_NAME_TAKEN'],
    [409, 'RITMO_SUPERSEDED'],
    [426, 'RITMO_PROTOCOL_VERSION'],
    [401, 'RITMO_UNAUTHORIZED'],
  ])('are not repeated after our %i %s', async (status, code) => {
    await using server = await fakeServer(refusal(status, code));
    await using transport = transportTo(server);
    await expect(transport.register(info, never())).rejects.toMatchObject({
      code,
      message: `no: ${code}`,
      hint: codes[code as keyof typeof codes].hint,
    });
    expect(server.seen).toHaveLength(1);
  });

  it('turn a code of a newer server into the nearest one', async () => {
    await using server = await fakeServer(refusal(409, 'RITMO_NEW_THING'));
    await using transport = transportTo(server);
    await expect(transport.register(info, never())).rejects.toMatchObject({
      code: 'RITMO_CONFLICT',
      message: 'RITMO_NEW_THING: no: RITMO_NEW_THING',
    });
  });

  it('ignore fields they do not know, and read unknown values by their fallback', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.script.push(
      json(200, { jobs: [{ jobId: 'job1', epoch: 3, verdict: 'ponder', more: 1 }], command: 'dance', extra: {} }),
    );
    const status = { instanceId: 'instance-1', state: 'idle', reasons: [], running: [], host: {} } as const;
    await expect(transport.heartbeat({ ...status, reasons: [], running: [] }, never())).resolves.toEqual({
      jobs: [{ jobId: 'job1', epoch: 3, verdict: 'unknown' }],
      command: undefined,
    });
  });
});

describe('a worker token that the server does not know any more', () => {
  it('is replaced by registering with the same instance, once for all calls that it failed', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    await transport.update({ labels: { zone: 'b' } }, never());
    server.otherwise = (seen, response, socket) => {
      if (seen.url === '/v1/workers')
        return json(201, { ...registrationAnswer, workerToken: 'new' })(seen, response, socket);
      if (seen.headers.authorization === 'Bearer worker-token')
        return refusal(401, 'RITMO_UNAUTHORIZED')(seen, response, socket);
      return json(200, { jobs: [], offers: [] })(seen, response, socket);
    };
    const beat = () =>
      transport.heartbeat({ instanceId: 'instance-1', state: 'idle', reasons: [], running: [], host: {} }, never());
    await Promise.all([beat(), beat(), transport.claim({ requestId: 'request-1', max: 1, waitMs: 0 }, never())]);
    const registrations = server.seen.filter((seen) => seen.url === '/v1/workers');
    expect(registrations).toHaveLength(2);
    expect(JSON.parse(String(registrations[1]?.body))).toMatchObject({
      instanceId: 'instance-1',
      resumeKey: 'resume',
      labels: { zone: 'b' },
    });
  });

  it('makes no loop without a pause when the new one is refused as well', async () => {
    await using server = await fakeServer();
    const clock = fastClock();
    await using transport = await registered(server, { clock });
    let answers = 0;
    server.otherwise = (seen, response, socket) => {
      answers++;
      if (answers > 12) return json(200, { jobs: [] })(seen, response, socket);
      if (seen.url === '/v1/workers')
        return json(201, { ...registrationAnswer, workerToken: `t${answers}` })(seen, response, socket);
      return refusal(401, 'RITMO_UNAUTHORIZED')(seen, response, socket);
    };
    await transport.heartbeat({ instanceId: 'instance-1', state: 'idle', reasons: [], running: [], host: {} }, never());
    expect(clock.sleeps.length).toBeGreaterThanOrEqual(5);
  });

  it('ends the calls when another agent has the name now', async () => {
    await using server = await fakeServer();
    await using transport = await registered(server);
    server.otherwise = refusal(409, 'RITMO_SUPERSEDED');
    const claim = transport.claim({ requestId: 'request-1', max: 1, waitMs: 0 }, never());
    await expect(claim).rejects.toMatchObject({ code: 'RITMO_SUPERSEDED' });
  });

  it('counts as deregistered', async () => {
    await using server = await fakeServer(refusal(401, 'RITMO_UNAUTHORIZED'));
    await using transport = await registered(server);
    await expect(transport.deregister(never())).resolves.toBeUndefined();
    expect(server.seen.at(-1)).toMatchObject({ method: 'DELETE', url: '/v1/workers/w1' });
  });
});

describe('a claim', () => {
  it('whose answer is cut off is repeated with the same request id', async () => {
    await using server = await fakeServer(json(200, { offers: [anOffer] }));
    await using transport = await registered(server);
    server.script.push(cut({ offers: [anOffer] }), half({ offers: [anOffer] }));
    const offers = await transport.claim({ requestId: 'request-7', max: 2, waitMs: 0 }, never());
    expect(offers).toEqual([anOffer]);
    const bodies = server.seen.slice(1).map((seen) => JSON.parse(String(seen.body)));
    expect(bodies).toEqual(Array.from({ length: 3 }, () => ({ requestId: 'request-7', max: 2, waitMs: 0 })));
  });

  it('without a job gives no offer', async () => {
    await using server = await fakeServer((_seen, response) => void response.writeHead(204).end());
    await using transport = await registered(server);
    await expect(transport.claim({ requestId: 'request-7', max: 2, waitMs: 0 }, never())).resolves.toEqual([]);
  });

  it('hands back a job that it cannot read, and keeps the others', async () => {
    await using server = await fakeServer();
    const log = memoryLog();
    await using transport = await registered(server, { log });
    const newer = {
      ...anOffer,
      job: { ...anOffer.job, version: 2 },
      lease: { ...anOffer.lease, jobId: 'job2' },
      jobToken: 'other',
    };
    server.script.push(json(200, { offers: [newer, anOffer] }));
    const offers = await transport.claim({ requestId: 'request-7', max: 2, waitMs: 0 }, never());
    expect(offers.map((offer) => offer.lease.jobId)).toEqual(['job1']);
    const release = server.seen.at(-1);
    expect(release).toMatchObject({ url: '/v1/jobs/job2/release', headers: { authorization: 'Bearer other' } });
    expect(JSON.parse(String(release?.body))).toMatchObject({
      epoch: 3,
      code: 'RITMO_JOB_INVALID',
      retryAfterMs: 60_000,
    });
    expect(log.lines.join()).toMatch(/cannot read/);
  });
});

describe('a job that is over', () => {
  it.each([
    [409, 'RITMO_FENCED'],
    [401, 'RITMO_UNAUTHORIZED'],
    [404, 'RITMO_NOT_FOUND'],
    [410, 'RITMO_NOT_FOUND'],
  ])('is RITMO_FENCED to every call after %i %s, and not repeated', async (status, code) => {
    await using server = await fakeServer(refusal(status, code));
    await using transport = transportTo(server);
    const signal = never();
    const result = { outcome: 'succeeded', steps: [], durationMs: 1, artifacts: 0 } as const;
    const seal = { length: 0, sha256: 'a'.repeat(64), truncatedBytes: 0 };
    const file = { artifactId: 'artifact-1', name: 'a', path: 'a', size: 0, mode: 0o644, contentType: 'text/plain' };
    const calls = [
      transport.accept(lease, signal),
      transport.release(lease, { code: 'RITMO_DISK_FULL', message: 'full' }, signal),
      transport.appendLog(lease, 0, Buffer.from('x'), signal),
      transport.sealLog(lease, seal, signal),
      transport.finish(lease, { ...result, steps: [] }, signal),
      transport.artifacts.plan(lease, [file], signal),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'RITMO_FENCED', retryable: false } });
    }
    expect(server.seen).toHaveLength(calls.length);
  });

  it('is found out by asking for the offset too, though a HEAD answer has no words', async () => {
    await using server = await fakeServer(refusal(409, 'RITMO_FENCED'));
    await using transport = transportTo(server);
    await expect(transport.logOffset(lease, never())).rejects.toMatchObject({ code: 'RITMO_FENCED' });
  });
});

import { request } from 'node:http';
import type { WorkerInfo } from '@ritmo/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Harness, TestBuild, TestClock, type TestWorker, processIsolation } from './support/harness.js';

let api: Harness;
const clock = new TestClock();
beforeEach(async () => {
  api = await Harness.start({ clock });
});
afterEach(() => api[Symbol.asyncDispose]());

/** Sends a claim and breaks the connection before its answer is read, once `committed` holds. */
async function claimCutOff(worker: TestWorker, requestId: string, committed: () => Promise<unknown>): Promise<void> {
  const call = request(`${api.server.url}${worker.path}/claims`, {
    method: 'POST',
    headers: { authorization: `Bearer ${worker.registration.workerToken}`, 'content-type': 'application/json' },
  });
  call.on('error', () => {});
  // Nobody reads: the answer is lost on the way.
  call.on('response', (answer) => answer.pause());
  call.end(JSON.stringify({ requestId, max: 1, waitMs: 5000 }));
  await committed();
  call.destroy();
}

test('an answer holds as many jobs as a worker takes at once, and the others come with the next', async () => {
  const worker = await api.register({ maxConcurrent: 10 });
  const names = Array.from({ length: 3 }, (_, index) => `KEY_${index}`);
  const secrets = Object.fromEntries(names.map((name) => [name, 'x'.repeat(1024 * 1024)]));
  const ids = [];
  for (let job = 0; job < 3; job++) ids.push(await api.submit({ secrets: names.map((name) => ({ name })) }, secrets));
  const first = await worker.claim({ max: 10 });
  const second = await worker.claim({ max: 10 });
  expect([first, second].map((offers) => offers.map(({ lease }) => lease.jobId))).toEqual([
    ids.slice(0, 2),
    ids.slice(2),
  ]);
  expect(second[0]?.secrets).toEqual(secrets);
  expect(await worker.claim({ max: 10, waitMs: 0 })).toEqual([]);
});

describe('a claim whose answer was cut off', () => {
  test('gives the same job to the retry, under the same epoch', async () => {
    const worker = await api.register();
    const id = await api.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 'hidden' });
    await claimCutOff(worker, 'request-cut', () => api.until(id, (job) => job.state === 'offered'));
    const build = await worker.claimOne({ requestId: 'request-cut' });
    expect(build.offer).toMatchObject({ lease: { jobId: id, epoch: 1 }, secrets: { TOKEN: 'hidden' } });
    expect((await build.accept()).status).toBe(200);
    expect(await worker.claim({ waitMs: 0 })).toEqual([]);
  });

  test('gives the same job also after the server was started anew', async () => {
    const worker = await api.register();
    const id = await api.submit();
    await claimCutOff(worker, 'request-cut', () => api.until(id, (job) => job.state === 'offered'));
    await api.restart();
    expect((await worker.claimOne({ requestId: 'request-cut' })).lease).toEqual({ jobId: id, epoch: 1 });
  });

  test('gets its time to accept again once, and no second time', async () => {
    const worker = await api.register();
    const id = await api.submit();
    await worker.claimOne({ requestId: 'request-slow' });
    clock.advance(14_000);
    await worker.claimOne({ requestId: 'request-slow' });
    clock.advance(14_000);
    await worker.claimOne({ requestId: 'request-slow' });
    expect((await api.job(id)).state).toBe('offered');
    clock.advance(1_000);
    await api.until(id, (job) => job.state === 'queued');
  });

  test('gives nothing that the worker no longer holds', async () => {
    const worker = await api.register();
    await api.submit();
    const build = await worker.claimOne({ requestId: 'request-held' });
    await build.accept();
    await build.finish();
    expect(await worker.claim({ requestId: 'request-held', waitMs: 0 })).toEqual([]);
  });

  test('is replaced by its retry while both wait: the job goes to the one that listens', async () => {
    const worker = await api.register();
    const first = worker.claim({ requestId: 'request-twice' });
    await api.claimsWaiting(1);
    const second = worker.claim({ requestId: 'request-twice' });
    expect(await first).toEqual([]);
    const id = await api.submit();
    expect((await second).map((offer) => offer.lease)).toEqual([{ jobId: id, epoch: 1, ttlMs: 60_000 }]);
  });
});

describe('matching', () => {
  const docker = {
    ...processIsolation,
    name: 'docker',
    default: false,
    capabilities: { ...processIsolation.capabilities, images: true, services: true },
  };
  const cases: [string, Partial<WorkerInfo>, Parameters<Harness['submit']>[0], string | undefined][] = [
    ['labels that all match', { labels: { a: '1', b: '2' } }, { labels: { a: '1' } }, undefined],
    ['a label of another value', { labels: { a: '1' } }, { labels: { a: '2' } }, 'has label a=1, not 2'],
    ['a label that is not there', {}, { labels: { constructor: 'x' } }, 'has no label constructor=x'],
    [
      'an isolation by name',
      { isolation: [processIsolation, docker] },
      { isolation: 'docker', image: { reference: 'a' } },
      undefined,
    ],
    ['an isolation that it does not run', {}, { isolation: 'vm' }, 'does not run isolation vm'],
    [
      'an image on an executor without',
      { isolation: [processIsolation, docker] },
      { image: { reference: 'a' } },
      'process runs no images',
    ],
    ['services', {}, { services: { db: { image: { reference: 'a' } } } }, 'process runs no services'],
    ['a network', {}, { network: 'host' }, 'process has no network host'],
    ['a limit', {}, { limits: { memory: 1, pids: 5 } }, 'process cannot limit pids'],
    ['a limit that it has', {}, { limits: { memory: 1 } }, undefined],
    ['a job version', { jobVersions: [2] }, {}, 'knows no job version 1'],
  ];

  test.each(cases)('%s', async (_what, info, job, reason) => {
    const worker = await api.register(info);
    const id = await api.submit(job);
    const [placement] = (await api.job(id)).placement ?? [];
    expect(placement).toEqual({
      workerId: worker.registration.workerId,
      worker: worker.info.name,
      fits: reason === undefined,
      reasons: reason === undefined ? [] : [reason],
    });
    expect(await worker.claim({ waitMs: 0 })).toHaveLength(reason === undefined ? 1 : 0);
  });

  test('a queued job says who is paused, full, draining, unhealthy or offline', async () => {
    const names = ['paused', 'full', 'draining', 'unhealthy', 'free'] as const;
    const workers = new Map<string, TestWorker>();
    for (const name of names) workers.set(name, await api.register({ name, maxConcurrent: 1 }));
    await api.submit();
    await (await workers.get('full')?.claimOne())?.accept();
    await api.user('POST', `${workers.get('paused')?.path}/pause`);
    await workers.get('draining')?.heartbeat([], 'draining');
    await workers.get('unhealthy')?.heartbeat([], 'unhealthy');
    const id = await api.submit();
    const reasons = async () =>
      Object.fromEntries(((await api.job(id)).placement ?? []).map((one) => [one.worker, one.reasons]));
    expect(await reasons()).toEqual({
      paused: ['is paused'],
      full: ['is full: 1 of 1 slots'],
      draining: ['is draining'],
      unhealthy: ['is unhealthy'],
      free: [],
    });
    clock.advance(60_000);
    expect((await reasons())['free']).toEqual(['is offline']);
  });
});

test('a submit wakes a fitting waiting claim and leaves the others waiting', async () => {
  const [one, two] = [await api.register({ labels: { zone: 'a' } }), await api.register({ labels: { zone: 'b' } })];
  const abort = new AbortController();
  const waiting = one.claim({ signal: abort.signal }).catch(() => 'aborted');
  const fitting = two.claimOne();
  await api.claimsWaiting(2);
  const id = await api.submit({ labels: { zone: 'b' } });
  expect((await fitting).jobId).toBe(id);
  abort.abort();
  expect(await waiting).toBe('aborted');
});

test('a claim whose worker hung up is given nothing', async () => {
  const worker = await api.register();
  const abort = new AbortController();
  const hungUp = worker.claim({ signal: abort.signal }).catch(() => 'aborted');
  await api.claimsWaiting(1);
  abort.abort();
  await hungUp;
  await api.claimsWaiting(0);
  const id = await api.submit();
  expect((await api.job(id)).state).toBe('queued');
});

test('a claim gives at most `max` jobs, the oldest first, and 204 when its time is over', async () => {
  const worker = await api.register();
  const ids = [await api.submit(), await api.submit(), await api.submit()];
  const offers = await worker.claim({ max: 2 });
  expect(offers.map((offer) => offer.lease.jobId)).toEqual(ids.slice(0, 2));
  await worker.claim({ max: 5 });
  expect(await worker.claim({ waitMs: 1 })).toEqual([]);
});

describe('an offer', () => {
  test('that is not accepted in 15 s is queued again, its epoch is fenced, and the attempt does not count', async () => {
    const worker = await api.register();
    const id = await api.submit();
    const build = await worker.claimOne();
    clock.advance(14_999);
    expect((await worker.heartbeat([build.lease])).body.jobs).toMatchObject([{ verdict: 'keep' }]);
    clock.advance(1);
    await api.until(id, (job) => job.state === 'queued');
    const late = await build.accept();
    expect([late.status, late.body.error.code]).toEqual([409, 'RITMO_FENCED']);
    const again = await worker.claimOne();
    expect(again.lease).toEqual({ jobId: id, epoch: 2 });
    expect((await build.append(0, 'x')).body.error.code).toBe('RITMO_FENCED');
    expect((await again.accept()).status).toBe(200);
  });

  test('that is released is offered to another worker at once, and to the same one after retryAfterMs', async () => {
    const worker = await api.register();
    const id = await api.submit();
    const build = await worker.claimOne();
    await build.accept();
    expect((await build.release(30_000)).status).toBe(200);
    expect((await build.release(30_000)).status).toBe(200);
    expect(await api.job(id)).toMatchObject({
      state: 'queued',
      attempts: [],
      placement: [{ reasons: ['handed it back: RITMO_DISK_FULL: no room'] }],
    });
    const waiting = worker.claimOne();
    const other = await api.register();
    const second = await other.claimOne();
    expect(second.lease).toEqual({ jobId: id, epoch: 2 });
    await second.release();
    clock.advance(30_000);
    expect((await waiting).lease).toEqual({ jobId: id, epoch: 3 });
  });

  test('that was accepted may be accepted again', async () => {
    const worker = await api.register();
    await api.submit();
    const build = await worker.claimOne();
    expect([(await build.accept()).status, (await build.accept()).status]).toEqual([200, 200]);
  });
});

test('8 workers that claim at once hand out each job once, whatever they ask for', async () => {
  const workers = await Promise.all(Array.from({ length: 8 }, () => api.register()));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 8, maxLength: 8 }),
      fc.integer({ min: 1, max: 12 }),
      async (max, count) => {
        const submits = Promise.all(Array.from({ length: count }, () => api.submit()));
        const claimed = await Promise.all(
          workers.map((worker, index) => worker.claim({ max: max[index] ?? 1, waitMs: 50 })),
        );
        const ids = await submits;
        const rest = await workers[0]?.claim({ max: 100, waitMs: 0 });
        const offers = [...claimed.flat(), ...(rest ?? [])];
        expect(offers.map((offer) => offer.lease.jobId).toSorted()).toEqual(ids.toSorted());
        expect(offers.every((offer) => offer.lease.epoch === 1)).toBe(true);
        await Promise.all(offers.map((offer) => new TestBuild(api, offer).finish()));
      },
    ),
    { numRuns: 4 },
  );
}, 30_000);

import type { Registration, WorkerList } from './support/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type ErrorBody,
  Harness,
  TestBuild,
  type TestWorker,
  TestClock,
  workerInfo,
  processIsolation,
} from './support/harness.js';

let api: Harness;
const clock = new TestClock();
beforeEach(async () => {
  api = await Harness.start({ clock });
});
afterEach(() => api[Symbol.asyncDispose]());

function tryRegister(info: Partial<ReturnType<typeof workerInfo>>) {
  return api.call<Registration & ErrorBody>('POST', '/v1/workers', api.registrationToken, { body: workerInfo(info) });
}

/** The next instance of a worker, as after a restart of its agent. */
function nextInstance(worker: TestWorker, instanceId = `${worker.info.instanceId}-next`): Promise<TestWorker> {
  return api.register({ ...worker.info, instanceId, resumeKey: worker.registration.resumeKey });
}

function adopt(worker: TestWorker, wishes: object[]) {
  return worker.call<{ adoptions: { jobId: string; offer?: TestBuild['offer']; jobToken?: string; code?: string }[] }>(
    'POST',
    '/adoptions',
    { body: wishes },
  );
}

describe('the name of a worker', () => {
  test('is not given to somebody without its resume key, so no job and no secret changes hands', async () => {
    const worker = await api.register();
    await worker.heartbeat();
    for (const resumeKey of [undefined, 'ritmo_resume_guess', '']) {
      const answer = await tryRegister({ name: worker.info.name, ...(resumeKey !== undefined && { resumeKey }) });
      expect([answer.status, answer.body.error.code]).toEqual([409, 'RITMO_NAME_TAKEN']);
    }
    const waiting = worker.claimOne();
    const id = await api.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 'hidden' });
    expect((await waiting).offer).toMatchObject({ secrets: { TOKEN: 'hidden' }, lease: { jobId: id } });
  });

  test('is kept by the same instance, which gets a new token and keeps its leases', async () => {
    const worker = await api.register();
    await api.submit();
    const build = await worker.claimOne();
    await build.accept();
    const again = await api.register({ ...worker.info, resumeKey: worker.registration.resumeKey });
    expect(again.registration).toMatchObject({ workerId: worker.registration.workerId, leases: [build.lease] });
    expect((await worker.heartbeat()).status).toBe(401);
    expect((await again.heartbeat([build.lease])).body.jobs).toMatchObject([{ verdict: 'keep' }]);
    expect((await build.append(0, 'x')).status).toBe(200);
  });

  test('is given again to an instance whose first answer was lost, but only until its token was used', async () => {
    const lost = await api.register();
    const again = await api.register(lost.info);
    expect(again.registration.workerId).toBe(lost.registration.workerId);
    await again.heartbeat();
    expect((await tryRegister(lost.info)).status).toBe(409);
    expect((await nextInstance(again)).registration.workerId).toBe(lost.registration.workerId);
  });

  test('is free after the worker deregistered, and after an operator removed it', async () => {
    const worker = await api.register();
    expect((await worker.call('DELETE', '')).status).toBe(204);
    expect((await worker.heartbeat()).status).toBe(401);
    const next = await api.register({ name: worker.info.name });
    expect((await api.user('DELETE', next.path)).status).toBe(204);
    expect((await tryRegister({ name: worker.info.name })).status).toBe(201);
  });
});

test('an agent that shares no protocol version is answered 426', async () => {
  const answer = await tryRegister({ protocol: { min: 2, max: 3 } });
  expect([answer.status, answer.body.error.code]).toEqual([426, 'RITMO_PROTOCOL_VERSION']);
});

test('a registration says what the server wants of a worker', async () => {
  const worker = await api.register();
  expect(worker.registration).toMatchObject({
    protocol: 1,
    heartbeatMs: 10_000,
    leaseTtlMs: 60_000,
    claimWaitMs: 25_000,
    leases: [],
  });
});

describe('a new instance', () => {
  test('supersedes the old one, whose calls of every kind and whose waiting claim get RITMO_SUPERSEDED', async () => {
    const old = await api.register();
    await api.submit();
    const build = await old.claimOne();
    await build.accept();
    const waiting = old.claim().catch((error: { answer: { status: number; body: ErrorBody } }) => error.answer);
    await api.claimsWaiting(1);
    const next = await nextInstance(old);
    expect(next.registration.leases).toEqual([build.lease]);
    expect(await waiting).toMatchObject({ status: 409, body: { error: { code: 'RITMO_SUPERSEDED' } } });
    for (const answer of [await old.heartbeat(), await build.append(0, 'x'), await build.finish()])
      expect([answer.status, (answer.body as unknown as ErrorBody).error.code]).toEqual([409, 'RITMO_SUPERSEDED']);
  });

  test('gets the offer again for `run`, with secrets and a fresh token', async () => {
    const old = await api.register();
    await api.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 'hidden' });
    const build = await old.claimOne();
    await build.accept();
    await build.append(0, 'abc');
    const next = await nextInstance(old);
    const { body } = await adopt(next, [{ ...build.lease, intent: 'run' }]);
    const offer = body.adoptions[0]?.offer;
    expect(offer).toMatchObject({ secrets: { TOKEN: 'hidden' }, lease: { epoch: 1 } });
    const adopted = new TestBuild(api, offer as TestBuild['offer']);
    expect((await adopted.append(3, 'def')).body).toEqual({ next: 6 });
    expect((await adopted.accept()).status).toBe(200);
    expect((await build.append(6, 'x')).status).toBe(401);
  });

  test('gets a token only for `finish`', async () => {
    const old = await api.register();
    await api.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 'hidden' });
    const build = await old.claimOne();
    await build.accept();
    const next = await nextInstance(old);
    const { body } = await adopt(next, [{ ...build.lease, intent: 'finish' }]);
    expect(body.adoptions).toEqual([{ ...build.lease, jobToken: expect.any(String) }]);
    expect((await new TestBuild(api, build.offer, body.adoptions[0]?.jobToken).finish('failed')).status).toBe(200);
    expect((await api.job(build.jobId)).state).toBe('failed');
  });

  test('loses at once what it drops, and after 15 s what it does not name', async () => {
    const old = await api.register();
    await api.submit();
    await api.submit();
    const builds = [await old.claimOne(), await old.claimOne()] as const;
    for (const build of builds) await build.accept();
    const next = await nextInstance(old);
    await adopt(next, [{ ...builds[0].lease, intent: 'drop' }]);
    expect(await api.job(builds[0].jobId)).toMatchObject({ state: 'lost', failure: { code: 'RITMO_LEASE_LOST' } });
    expect((await api.job(builds[1].jobId)).state).toBe('running');
    clock.advance(15_000);
    await api.until(builds[1].jobId, (job) => job.state === 'lost');
  });

  test('is fenced from leases that are not its own', async () => {
    const [one, other] = [await api.register(), await api.register()];
    await api.submit();
    const build = await one.claimOne();
    const wishes = [
      { ...build.lease, intent: 'run' },
      { jobId: build.jobId, epoch: 7, intent: 'finish' },
      { jobId: 'nothing', epoch: 1, intent: 'run' },
    ];
    const { body } = await adopt(other, wishes);
    expect(body.adoptions.map((adoption) => adoption.code)).toEqual(Array(3).fill('RITMO_FENCED'));
    expect(JSON.stringify(body)).not.toContain('ritmo_job_');
  });

  test('may finish a lost job whose epoch has not moved', async () => {
    const old = await api.register();
    await api.submit();
    const build = await old.claimOne();
    await build.accept();
    clock.advance(71_000);
    await api.until(build.jobId, (job) => job.state === 'lost');
    const next = await nextInstance(old);
    const { body } = await adopt(next, [
      { ...build.lease, intent: 'run' },
      { ...build.lease, intent: 'finish' },
    ]);
    expect(body.adoptions[0]).toMatchObject({ code: 'RITMO_FENCED' });
    await new TestBuild(api, build.offer, body.adoptions[1]?.jobToken).finish('succeeded');
    expect(await api.job(build.jobId)).toMatchObject({ state: 'succeeded' });
    expect((await api.job(build.jobId)).failure).toBeUndefined();
  });

  test('stays paused when an operator paused its name, but does not stay drained', async () => {
    const worker = await api.register();
    await api.user('POST', `${worker.path}/pause`);
    const paused = await nextInstance(worker);
    expect((await paused.heartbeat([], 'idle')).body.command).toBe('pause');
    await api.user('POST', `${worker.path}/drain`);
    const drained = await nextInstance(paused, 'instance-third');
    expect((await drained.heartbeat([], 'idle')).body.command).toBeUndefined();
  });
});

test('changed labels and capabilities count at once, also for a claim that waits', async () => {
  const worker = await api.register();
  const id = await api.submit({ labels: { zone: 'a' }, image: { reference: 'node:22' } });
  const waiting = worker.claimOne();
  await api.claimsWaiting(1);
  const capabilities = { ...processIsolation.capabilities, images: true };
  await worker.call('PATCH', '', {
    body: { labels: { zone: 'a' }, isolation: [{ ...processIsolation, capabilities }] },
  });
  expect((await waiting).jobId).toBe(id);
  const { workers } = (await api.user<WorkerList>('GET', '/v1/workers')).body;
  expect(workers).toMatchObject([
    { labels: { zone: 'a' }, isolation: [{ capabilities: { images: true } }], maxConcurrent: 2 },
  ]);
});

test('what a worker leaves behind when it deregisters returns at once', async () => {
  const worker = await api.register();
  const ids = [await api.submit({ onLost: 'requeue', attempts: 2 }), await api.submit(), await api.submit()];
  const builds = await worker.claim({ max: 3 });
  expect(builds).toHaveLength(3);
  for (const offer of builds.slice(0, 2)) await new TestBuild(api, offer).accept();
  await worker.call('DELETE', '');
  expect(await Promise.all(ids.map(async (id) => (await api.job(id)).state))).toEqual(['queued', 'lost', 'queued']);
});

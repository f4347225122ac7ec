import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Harness, TestClock, type TestBuild, type TestWorker } from './support/harness.js';

let api: Harness;
let worker: TestWorker;
const clock = new TestClock();
beforeEach(async () => {
  api = await Harness.start({ clock });
  worker = await api.register();
});
afterEach(() => api[Symbol.asyncDispose]());

async function running(job: Parameters<Harness['submit']>[0] = {}): Promise<TestBuild> {
  await api.submit(job);
  const build = await worker.claimOne();
  await build.accept();
  return build;
}

async function lose(build: TestBuild, state: string): Promise<void> {
  clock.advance(70_000);
  await api.until(build.jobId, (job) => job.state === state);
}

const infrastructure = { failure: { code: 'RITMO_SANDBOX_BROKEN', message: 'broke', retryable: true } };

describe('a lease', () => {
  test('lasts as long as heartbeats name it, and 70 s after the last', async () => {
    const build = await running();
    for (let beat = 0; beat < 5; beat++) {
      clock.advance(60_000);
      expect((await worker.heartbeat([build.lease])).body.jobs).toEqual([{ ...build.lease, verdict: 'keep' }]);
    }
    clock.advance(69_999);
    expect((await api.job(build.jobId)).state).toBe('running');
    clock.advance(1);
    await api.until(build.jobId, (job) => job.state === 'lost');
  });

  test.each(['wallMs', 'monotonicMs'] as const)('ends when either clock says so: %s', async (which) => {
    const build = await running();
    clock[which] += 70_000;
    await api.until(build.jobId, (job) => job.state === 'lost');
  });

  test('is not renewed by a heartbeat that does not name it, nor by another worker that does', async () => {
    const build = await running();
    const other = await api.register();
    clock.advance(69_000);
    await worker.heartbeat([]);
    expect((await other.heartbeat([build.lease])).body.jobs).toMatchObject([{ verdict: 'fenced' }]);
    clock.advance(1_000);
    await api.until(build.jobId, (job) => job.state === 'lost');
  });

  test('begins anew when the server is started anew', async () => {
    const build = await running();
    clock.advance(69_000);
    await api.restart();
    clock.advance(69_000);
    expect((await api.job(build.jobId)).state).toBe('running');
    expect((await build.append(0, 'x')).status).toBe(200);
    await lose(build, 'lost');
  });
});

describe('a lost job', () => {
  test('of onLost: fail says so, and a late finish of the same epoch replaces that', async () => {
    const build = await running();
    await lose(build, 'lost');
    expect(await api.job(build.jobId)).toMatchObject({
      state: 'lost',
      failure: { code: 'RITMO_LEASE_LOST', retryable: true },
    });
    expect((await worker.heartbeat([build.lease])).body.jobs).toMatchObject([{ verdict: 'keep' }]);
    expect((await build.append(0, 'late')).body).toEqual({ next: 4 });
    expect((await build.seal('late')).status).toBe(200);
    expect((await build.finish('failed', { exitCode: 3 })).status).toBe(200);
    expect(await api.job(build.jobId)).toMatchObject({ state: 'failed', exitCode: 3 });
  });

  test('is final after 24 h', async () => {
    const build = await running();
    await lose(build, 'lost');
    clock.advance(24 * 60 * 60_000);
    expect((await build.finish()).body.error.code).toBe('RITMO_FENCED');
    expect((await api.job(build.jobId)).state).toBe('lost');
  });

  test('of onLost: requeue is queued again while attempts are left; the old epoch is fenced', async () => {
    const first = await running({ onLost: 'requeue', attempts: 2 });
    await first.append(0, 'one');
    await lose(first, 'queued');
    for (const answer of [
      await first.append(3, 'x'),
      await first.finish(),
      await first.seal('one'),
      await first.plan([file]),
    ])
      expect([answer.status, answer.body.error.code]).toEqual([409, 'RITMO_FENCED']);
    expect((await worker.heartbeat([first.lease])).body.jobs).toMatchObject([{ verdict: 'fenced' }]);
    const second = await worker.claimOne();
    expect(second.epoch).toBe(2);
    await second.accept();
    await second.append(0, 'two');
    expect((await first.append(3, 'x')).body.error.code).toBe('RITMO_FENCED');
    const logs = await Promise.all(
      [1, 2].map((attempt) => api.user<string>('GET', `/v1/jobs/${first.jobId}/log?attempt=${attempt}`)),
    );
    expect(logs.map((log) => log.body)).toEqual(['one', 'two']);
    await lose(second, 'lost');
    expect((await api.job(first.jobId)).attempts.map((attempt) => [attempt.epoch, attempt.state])).toEqual([
      [1, 'lost'],
      [2, 'lost'],
    ]);
  });

  test('whose job nobody knows is answered `unknown`', async () => {
    expect((await worker.heartbeat([{ jobId: 'nothing', epoch: 1 }])).body.jobs).toMatchObject([
      { verdict: 'unknown' },
    ]);
  });
});

describe('a finish', () => {
  test('stands: a repeat is answered, a different one changes nothing', async () => {
    const build = await running();
    await build.finish('failed', { exitCode: 1 });
    expect((await build.finish('failed', { exitCode: 1 })).status).toBe(200);
    expect((await build.finish('succeeded', { exitCode: 0 })).status).toBe(200);
    expect(await api.job(build.jobId)).toMatchObject({ state: 'failed', exitCode: 1 });
    expect((await worker.heartbeat([build.lease])).body.jobs).toMatchObject([{ verdict: 'keep' }]);
  });

  test('that is errored and retryable queues the job again while attempts are left, and its repeat is answered', async () => {
    const first = await running({ attempts: 2 });
    expect((await first.finish('errored', infrastructure)).status).toBe(200);
    expect((await api.job(first.jobId)).state).toBe('queued');
    const second = await worker.claimOne();
    await second.accept();
    expect((await first.finish('errored', infrastructure)).status).toBe(200);
    expect((await api.job(first.jobId)).state).toBe('running');
    await second.finish('errored', infrastructure);
    expect(await api.job(first.jobId)).toMatchObject({ state: 'errored', failure: infrastructure.failure });
  });

  test('that failed by its own command is not tried again', async () => {
    const build = await running({ attempts: 5 });
    await build.finish('failed', { failure: { code: 'RITMO_STEP_FAILED', message: 'no', retryable: false } });
    expect((await api.job(build.jobId)).state).toBe('failed');
  });

  test('of an outcome that this server does not know is errored', async () => {
    const build = await running();
    await build.finish('exploded');
    expect((await api.job(build.jobId)).state).toBe('errored');
  });

  test('with the epoch of another attempt is fenced', async () => {
    const build = await running();
    const answer = await build.call('POST', '/finish', {
      body: { epoch: 2, outcome: 'succeeded', steps: [], durationMs: 1, artifacts: 0 },
    });
    expect(answer.body.error.code).toBe('RITMO_FENCED');
  });
});

const file = { artifactId: 'artifact-1', name: 'a', path: 'a', size: 1, mode: 0o644 };

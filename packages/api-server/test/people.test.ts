import type { JobSummary, WorkerSummary } from '@ritmo/protocol';
import { jobDetail, jobPage, workerList } from '@ritmo/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorBody, Harness, plainJob } from './support/harness.js';

let api: Harness;
beforeEach(async () => {
  api = await Harness.start();
});
afterEach(() => api[Symbol.asyncDispose]());

describe('submitting with an Idempotency-Key', () => {
  const submit = (key: string, body: object) =>
    api.user<JobSummary & ErrorBody>('POST', '/v1/jobs', { body, headers: { 'Idempotency-Key': key } });

  test('again answers the job that exists', async () => {
    const body = { job: { ...plainJob, secrets: [{ name: 'A' }] }, secrets: { A: 'value' } };
    const first = await submit('key-1', body);
    const again = await submit('key-1', body);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body.id).toBe(first.body.id);
    expect((await submit('key-2', body)).body.id).not.toBe(first.body.id);
  });

  test('that was used for something else is refused', async () => {
    await submit('key-1', { job: plainJob });
    const other = await submit('key-1', { job: { ...plainJob, name: 'other' } });
    expect([other.status, other.body.error.code]).toEqual([409, 'RITMO_CONFLICT']);
  });
});

describe('secrets', () => {
  const job = { ...plainJob, secrets: [{ name: 'A' }], source: { git: 'https://example.org/a.git', credentials: 'B' } };

  test('reach the worker and no answer to people, and are gone at the job’s end', async () => {
    const id = await api.submit(job, { A: 'hidden-a', B: 'hidden-b' });
    const worker = await api.register();
    const build = await worker.claimOne();
    expect(build.offer.secrets).toEqual({ A: 'hidden-a', B: 'hidden-b' });
    for (const path of ['/v1/jobs', `/v1/jobs/${id}`, '/v1/workers', '/metrics'])
      expect(await (await api.fetch('GET', path, api.userToken)).text()).not.toContain('hidden-');
    await build.accept();
    await api.restart();
    expect((await worker.heartbeat([build.lease])).status).toBe(200);
    await build.finish();
  });

  test('that the job does not name are refused', async () => {
    const answer = await api.user<ErrorBody>('POST', '/v1/jobs', { body: { job: plainJob, secrets: { OTHER: 'x' } } });
    expect([answer.status, answer.body.error.code]).toEqual([400, 'RITMO_INVALID_REQUEST']);
    expect(answer.body.error.message).toContain('OTHER');
  });

  test('survive a restart of the server', async () => {
    await api.submit(job, { A: 'hidden-a' });
    await api.restart();
    expect((await (await api.register()).claimOne()).offer.secrets).toEqual({ A: 'hidden-a' });
  });
});

describe('listing jobs', () => {
  test('goes page by page, the newest first', async () => {
    const ids = [];
    for (let count = 0; count < 5; count++) ids.unshift(await api.submit());
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = jobPage.parse((await api.user('GET', `/v1/jobs?limit=2${cursor && `&cursor=${cursor}`}`)).body);
      seen.push(...page.jobs.map((job) => job.id));
      cursor = page.cursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(ids);
  });

  test('is filtered by state and label, several of each', async () => {
    const east = await api.submit({ labels: { zone: 'east', tier: 'a.b/c' } });
    const west = await api.submit({ labels: { zone: 'west' } });
    await api.user('POST', `/v1/jobs/${west}/cancel`, { body: {} });
    const ids = async (query: string) =>
      jobPage.parse((await api.user('GET', `/v1/jobs?${query}`)).body).jobs.map((job) => job.id);
    expect(await ids('state=queued')).toEqual([east]);
    expect(await ids('state=queued&state=cancelled')).toEqual([west, east]);
    expect(await ids('label=zone%3Deast&label=tier%3Da.b/c')).toEqual([east]);
    expect(await ids('label=zone%3Deast&label=tier%3Dx')).toEqual([]);
    for (const wrong of ['state=sleeping', 'label=zone', 'cursor=x', 'limit=x'])
      expect((await api.user('GET', `/v1/jobs?${wrong}`)).status).toBe(400);
  });
});

test('a job is read with everything that is known of it, in the form of its schema', async () => {
  const worker = await api.register();
  const id = await api.submit();
  expect(jobDetail.parse(await api.job(id)).placement).toHaveLength(1);
  const build = await worker.claimOne();
  await build.accept();
  const steps = [{ index: 0, name: 'x', status: 'failed', exitCode: 7, durationMs: 5 }];
  const failure = { code: 'RITMO_STEP_FAILED', message: 'step "x" exited with 7', retryable: false };
  await build.finish('failed', { exitCode: 7, steps, failure, usage: { cpuMs: 5 } });
  const detail = jobDetail.parse(await api.job(id));
  expect(detail).toMatchObject({ state: 'failed', exitCode: 7, steps, failure, worker: worker.info.name });
  expect(detail.placement).toBeUndefined();
  expect(Date.parse(detail.endedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(detail.startedAt ?? ''));
});

test('a job that is not there is 404 in every call', async () => {
  for (const path of ['', '/log', '/log.txt', '/artifacts', '/artifacts/x'])
    expect((await api.user('GET', `/v1/jobs/nothing${path}`)).status).toBe(404);
  expect((await api.user('POST', '/v1/jobs/nothing/cancel', { body: {} })).status).toBe(404);
});

test('workers are listed with their state, what they run, and nothing secret', async () => {
  const worker = await api.register({ labels: { zone: 'a' } });
  await api.submit();
  const build = await worker.claimOne();
  await build.accept();
  await worker.heartbeat([build.lease], 'busy');
  const answer = await api.user<{ workers: WorkerSummary[] }>('GET', '/v1/workers');
  const { workers } = workerList.parse(answer.body);
  expect(workers).toMatchObject([
    { name: worker.info.name, state: 'busy', running: [{ ...build.lease, phase: 'running' }], labels: { zone: 'a' } },
  ]);
  expect(JSON.stringify(answer.body)).not.toContain(worker.info.instanceId);
  await api.restart();
  expect((await api.user<{ workers: WorkerSummary[] }>('GET', '/v1/workers')).body.workers).toMatchObject([
    { state: 'offline' },
  ]);
});

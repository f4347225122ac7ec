import type { WorkerSummary } from '@ritmo/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Harness, type TestBuild, type TestWorker } from './support/harness.js';

const logged: unknown[] = [];
const log = { info: keep, warn: keep, error: keep };
let api: Harness;
let worker: TestWorker;
let build: TestBuild;
let id: string;

function keep(message: string, fields?: Readonly<Record<string, unknown>>): void {
  logged.push(message, fields);
}

beforeEach(async () => {
  logged.length = 0;
  api = await Harness.start({ log });
  worker = await api.register();
  id = await api.submit();
  build = await worker.claimOne();
  await build.accept();
});
afterEach(() => api[Symbol.asyncDispose]());

const forged = 'no room\u001b]0;x\u0007\nforged line\u202edesrever';
const plain = 'no room ]0;x  forged line desrever';
const long = 'x'.repeat(100_000);

describe('what a worker says is shown as one line of bounded length', () => {
  test('when it hands a job back; a code that nobody knows is no series of its own in the metrics', async () => {
    const body = { epoch: 1, code: `A"}\n${long}`, message: forged + long, retryAfterMs: 60_000 };
    expect((await build.call('POST', '/release', { body })).status).toBe(200);
    const [reason = ''] = (await api.job(id)).placement?.[0]?.reasons ?? [];
    expect(reason).toMatch(/^handed it back: A"\} x+: no room/);
    expect(reason).toContain(plain);
    expect(reason.length).toBeLessThan(1200);
    expect(JSON.stringify(logged)).not.toContain('\\n');
    expect(JSON.stringify(logged).length).toBeLessThan(2000);
    expect((await api.user('GET', '/metrics')).body).toContain('ritmo_jobs_requeued_total{reason="other"} 1\n');
  });

  test('when a build has ended', async () => {
    const failure = { code: 'RITMO_INTERNAL', message: forged, hint: long, retryable: false };
    const steps = [{ index: 0, name: forged, status: 'errored', signal: forged, durationMs: 1 }];
    expect((await build.finish('errored', { failure, steps, signal: forged })).status).toBe(200);
    const job = await api.job(id);
    expect(job).toMatchObject({ state: 'errored', signal: plain, failure: { message: plain } });
    expect(job.steps).toMatchObject([{ name: plain, signal: plain }]);
    expect(job.failure?.hint).toHaveLength(4096);
  });

  test('when it says why it claims nothing, and what it is', async () => {
    const body = { instanceId: worker.info.instanceId, state: 'unhealthy', running: [], reasons: [forged, long] };
    expect((await worker.call('POST', '/heartbeat', { body })).status).toBe(200);
    const odd = await api.register({ agentVersion: `1\u001b${long}` });
    const { workers } = (await api.user<{ workers: WorkerSummary[] }>('GET', '/v1/workers')).body;
    expect(workers.find((one) => one.name === worker.info.name)?.reasons).toEqual([plain, long.slice(0, 1024)]);
    expect(workers.find((one) => one.name === odd.info.name)?.agentVersion).toBe(`1 ${'x'.repeat(62)}`);
  });
});

describe('a finish that is refused for its form', () => {
  test.each<[what: string, body: Record<string, unknown>, status: number, code: string, message: string]>([
    ['a part of another type', { steps: [{ index: -1 }] }, 400, 'RITMO_INVALID_REQUEST', 'steps[0].index'],
    ['a part that is missing', { durationMs: undefined }, 400, 'RITMO_INVALID_REQUEST', 'durationMs'],
    ['too many bytes', { more: 'x'.repeat(5 * 1024 * 1024) }, 413, 'RITMO_TOO_LARGE', 'larger than'],
  ])('for %s says so, once and for all, and a plain one ends the job', async (_what, body, status, code, message) => {
    const refused = await build.finish('errored', body);
    expect([refused.status, refused.body.error]).toMatchObject([status, { code, retryable: false }]);
    expect(refused.body.error.message).toContain(message);
    expect((await api.job(id)).state).toBe('running');
    const failure = { code: 'RITMO_INTERNAL', message: 'The server refused the result.', retryable: false };
    expect((await build.finish('errored', { failure })).status).toBe(200);
    expect(await api.job(id)).toMatchObject({ state: 'errored', failure });
  });
});

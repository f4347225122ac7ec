import type { WorkerEvent } from '@ritmo/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorBody, Harness, TestClock, type TestWorker } from './support/harness.js';

let api: Harness;
let worker: TestWorker;
const clock = new TestClock();
beforeEach(async () => {
  api = await Harness.start({ clock, keepaliveMs: 20 });
  worker = await api.register();
});
afterEach(() => api[Symbol.asyncDispose]());

function cancel(id: string, body: object = {}) {
  return api.user<ErrorBody & { state: string; cancelling: boolean }>('POST', `/v1/jobs/${id}/cancel`, { body });
}

/** The event stream of a worker, read event by event. */
class Events implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = '';

  constructor(response: Response, abort: AbortController) {
    this.#abort = abort;
    if (!response.body) throw new Error('no stream');
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(of: TestWorker, after?: number, headers: Record<string, string> = {}): Promise<Events> {
    const abort = new AbortController();
    const path = `${of.path}/events${after === undefined ? '' : `?after=${after}`}`;
    const response = await api.fetch('GET', path, of.registration.workerToken, { headers, signal: abort.signal });
    if (response.headers.get('content-type') !== 'text/event-stream') throw new Error(`events: ${response.status}`);
    return new Events(response, abort);
  }

  /** The next block of the stream that `wanted` takes, or nothing at its end. */
  async block(wanted: (block: string) => boolean): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end === -1) {
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        this.#text += value;
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      if (wanted(block)) return block;
    }
  }

  async next(): Promise<WorkerEvent | undefined> {
    const data = (await this.block((block) => block.includes('data: ')))?.split('data: ')[1];
    return data === undefined ? undefined : (JSON.parse(data) as WorkerEvent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reader.cancel().catch(() => {});
  }
}

describe('cancelling', () => {
  test('a queued job ends it at once, and nobody gets it', async () => {
    const id = await api.submit();
    expect((await cancel(id)).body).toMatchObject({
      state: 'cancelled',
      cancelling: false,
      failure: { code: 'RITMO_CANCELLED' },
    });
    expect(await worker.claim({ waitMs: 0 })).toEqual([]);
    expect((await cancel(id)).status).toBe(200);
  });

  test('a running job reaches its worker by event, heartbeat and the answer to a log write', async () => {
    const id = await api.submit({ grace: 4000 });
    const build = await worker.claimOne();
    await build.accept();
    await using events = await Events.open(worker);
    expect((await cancel(id)).body).toMatchObject({ state: 'running', cancelling: true });
    const order = { reason: 'user', graceMs: 4000 };
    expect(await events.next()).toMatchObject({ type: 'cancel', ...build.lease, ...order });
    expect((await worker.heartbeat([build.lease])).body.jobs).toEqual([
      { ...build.lease, verdict: 'cancel', cancel: order },
    ]);
    expect((await build.append(0, 'x')).body.cancel).toEqual(order);
    await build.finish('cancelled');
    expect(await api.job(id)).toMatchObject({ state: 'cancelled', cancelling: false });
  });

  test('keeps the first reason', async () => {
    const id = await api.submit();
    const build = await worker.claimOne();
    await cancel(id, { reason: 'superseded', graceMs: 5 });
    await cancel(id, { reason: 'user', graceMs: 7 });
    expect((await worker.heartbeat([build.lease])).body.jobs).toMatchObject([
      { cancel: { reason: 'superseded', graceMs: 5 } },
    ]);
  });

  test('an offer that is then released, or never accepted, ends it instead of queueing it', async () => {
    const ids = [await api.submit(), await api.submit()];
    const builds = [await worker.claimOne(), await worker.claimOne()];
    for (const id of ids) await cancel(id);
    await builds[0]?.release();
    clock.advance(15_000);
    for (const id of ids)
      expect(await api.until(id, (job) => job.state !== 'offered')).toMatchObject({ state: 'cancelled' });
  });

  test('a job whose worker is then lost ends it, whatever onLost says', async () => {
    const id = await api.submit({ onLost: 'requeue', attempts: 3 });
    await (await worker.claimOne()).accept();
    await cancel(id);
    clock.advance(70_000);
    await api.until(id, (job) => job.state === 'cancelled');
  });

  test('a lost job, which its worker may run on, reaches that worker when it is back', async () => {
    const id = await api.submit({ grace: 4000 });
    const build = await worker.claimOne();
    await build.accept();
    await using events = await Events.open(worker);
    clock.advance(70_000);
    await api.until(id, (job) => job.state === 'lost');
    expect((await cancel(id)).body).toMatchObject({ state: 'cancelled', failure: { code: 'RITMO_CANCELLED' } });
    const order = { reason: 'user', graceMs: 4000 };
    expect(await events.next()).toMatchObject({ type: 'cancel', ...build.lease, ...order });
    expect((await worker.heartbeat([build.lease])).body.jobs).toEqual([
      { ...build.lease, verdict: 'cancel', cancel: order },
    ]);
    expect((await build.finish('cancelled')).status).toBe(200);
    expect(await api.job(id)).toMatchObject({ state: 'cancelled', attempts: [{ state: 'cancelled' }] });
    expect((await cancel(id)).status).toBe(200);
  });

  test('a job that succeeded is refused', async () => {
    const id = await api.submit();
    await (await worker.claimOne()).finish();
    const answer = await cancel(id);
    expect([answer.status, answer.body.error.code]).toEqual([409, 'RITMO_CONFLICT']);
  });

  test('right before a restart of the server still reaches the worker that reconnects', async () => {
    const id = await api.submit();
    const build = await worker.claimOne();
    await build.accept();
    await cancel(id);
    await api.restart();
    await using events = await Events.open(worker, 0);
    expect(await events.next()).toMatchObject({ type: 'cancel', jobId: id });
  });
});

describe('the event stream', () => {
  test('goes on after the last event seen, by query or Last-Event-ID', async () => {
    for (const word of ['pause', 'resume', 'pause']) await api.user('POST', `${worker.path}/${word}`);
    await using all = await Events.open(worker);
    expect([await all.next(), await all.next(), await all.next()]).toEqual([
      { seq: 1, type: 'pause' },
      { seq: 2, type: 'resume' },
      { seq: 3, type: 'pause' },
    ]);
    await using later = await Events.open(worker, 1);
    expect((await later.next())?.seq).toBe(2);
    await using byHeader = await Events.open(worker, undefined, { 'Last-Event-ID': '2' });
    expect((await byHeader.next())?.seq).toBe(3);
  });

  test('is kept alive by comments, and ends when another is opened or the worker leaves', async () => {
    await using first = await Events.open(worker);
    expect(await first.block((block) => block === ': alive')).toBe(': alive');
    await using second = await Events.open(worker);
    expect(await first.next()).toBeUndefined();
    await worker.call('DELETE', '');
    expect(await second.next()).toBeUndefined();
  });

  test('ends when the server closes, as do waiting claims and follows, without waiting for them', async () => {
    await using events = await Events.open(worker);
    const id = await api.submit({ labels: { zone: 'nowhere' } });
    const follow = await api.fetch('GET', `/v1/jobs/${id}/log?follow=1`, api.userToken);
    const claim = worker.claim({ waitMs: 25_000 });
    await api.claimsWaiting(1);
    const begun = performance.now();
    await api.restart();
    expect(await events.next()).toBeUndefined();
    expect(await follow.text()).toBe('');
    expect(await claim).toEqual([]);
    // The claim would wait 25 s.
    expect(performance.now() - begun).toBeLessThan(20_000);
  });
});

describe('an operator', () => {
  test('pauses a worker: it gets no job until it is resumed, and is told by heartbeat until it shows it', async () => {
    const paused = await api.user<{ state: string }>('POST', `${worker.path}/pause`);
    expect(paused.body.state).toBe('paused');
    const id = await api.submit();
    expect(await worker.claim({ waitMs: 0 })).toEqual([]);
    expect((await worker.heartbeat([], 'idle')).body.command).toBe('pause');
    expect((await worker.heartbeat([], 'paused')).body.command).toBeUndefined();
    const waiting = worker.claimOne();
    await api.user('POST', `${worker.path}/resume`);
    expect((await waiting).jobId).toBe(id);
    expect((await worker.heartbeat([], 'paused')).body.command).toBe('resume');
    expect((await worker.heartbeat([], 'busy')).body.command).toBeUndefined();
    expect((await worker.heartbeat([], 'paused')).body.command).toBeUndefined();
  });

  test('drains a worker', async () => {
    await using events = await Events.open(worker);
    await api.user('POST', `${worker.path}/drain`);
    expect(await events.next()).toMatchObject({ type: 'drain' });
    expect((await worker.heartbeat([], 'busy')).body.command).toBe('drain');
    expect((await worker.heartbeat([], 'draining')).body.command).toBeUndefined();
  });

  test('of a worker that is not there is told so', async () => {
    expect((await api.user('POST', '/v1/workers/nobody/pause')).status).toBe(404);
  });
});

import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorBody, Harness, type TestBuild, type TestWorker } from './support/harness.js';

let api: Harness;
let worker: TestWorker;
beforeEach(async () => {
  api = await Harness.start();
  worker = await api.register();
});
afterEach(() => api[Symbol.asyncDispose]());

async function running(job: Parameters<Harness['submit']>[0] = {}): Promise<TestBuild> {
  await api.submit(job);
  const build = await worker.claimOne();
  await build.accept();
  return build;
}

function log(build: TestBuild, query = '') {
  return api.user<string & ErrorBody>('GET', `/v1/jobs/${build.jobId}/log${query}`);
}

async function head(build: TestBuild): Promise<number> {
  const answer = await build.call('HEAD', '/log', { headers: { 'Ritmo-Epoch': String(build.epoch) } });
  return Number(answer.headers.get('ritmo-log-next'));
}

/** A follow, read piece by piece. */
async function follow(jobId: string, query = '?follow=1') {
  const response = await api.fetch('GET', `/v1/jobs/${jobId}/log${query}`, api.userToken);
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    response,
    /** Reads until so much text is there. */
    async until(wanted: string): Promise<string> {
      while (text.length < wanted.length) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
      }
      return text;
    },
    async rest(): Promise<string> {
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
      return text;
    },
    cancel: () => reader.cancel(),
  };
}

describe('appending', () => {
  test('skips bytes that the server has, refuses a hole with the offset wanted, and says it by HEAD', async () => {
    const build = await running();
    expect(await head(build)).toBe(0);
    expect((await build.append(0, 'abcdef')).body).toEqual({ next: 6 });
    expect((await build.append(0, 'abc')).body).toEqual({ next: 6 });
    expect((await build.append(4, 'efghi')).body).toEqual({ next: 9 });
    const hole = await build.append(10, 'x');
    expect([hole.status, hole.body.error.code, hole.body.error.next]).toEqual([416, 'RITMO_LOG_GAP', 9]);
    expect(await head(build)).toBe(9);
    expect((await log(build)).body).toBe('abcdefghi');
  });

  test('takes gzip, and refuses more than 4 MiB before and after inflating', async () => {
    const build = await running();
    const gzip = { 'content-encoding': 'gzip' };
    expect((await build.append(0, gzipSync('compressed'), gzip)).body).toEqual({ next: 10 });
    const large = new Uint8Array(4 * 1024 * 1024 + 1);
    for (const answer of [await build.append(10, large), await build.append(10, gzipSync(large), gzip)])
      expect([answer.status, answer.body.error.code]).toEqual([413, 'RITMO_TOO_LARGE']);
    expect((await build.append(10, large.subarray(1))).body.next).toBe(10 + 4 * 1024 * 1024);
  });

  test('needs the epoch, an offset and octets', async () => {
    const build = await running();
    const put = (path: string, headers: Record<string, string>) =>
      build.call('PUT', path, { body: Buffer.from('x'), headers });
    expect((await put('/log?offset=0', {})).status).toBe(400);
    expect((await put('/log', { 'Ritmo-Epoch': '1' })).status).toBe(400);
    expect((await put('/log?offset=-1', { 'Ritmo-Epoch': '1' })).status).toBe(400);
    expect((await put('/log?offset=0', { 'Ritmo-Epoch': '1', 'content-type': 'text/plain' })).status).toBe(415);
  });

  test('goes on where it was after a restart of the server, and seals what was there before', async () => {
    const build = await running();
    await build.append(0, 'before ');
    await api.restart();
    expect(await head(build)).toBe(7);
    await build.append(7, 'after');
    expect((await build.seal('before after')).status).toBe(200);
    expect((await log(build)).body).toBe('before after');
  });
});

describe('sealing', () => {
  test('ends the log: a repeat is answered, more bytes are refused', async () => {
    const build = await running();
    await build.append(0, 'all');
    expect([(await build.seal('all')).status, (await build.seal('all')).status]).toEqual([200, 200]);
    const more = await build.append(3, 'x');
    expect([more.status, more.body.error.code]).toEqual([409, 'RITMO_SEALED']);
    expect((await build.seal('other')).body.error.code).toBe('RITMO_SEALED');
  });

  test('names the offset where bytes are missing', async () => {
    const build = await running();
    await build.append(0, 'ab');
    const answer = await build.seal('abcd');
    expect([answer.status, answer.body.error.code, answer.body.error.next]).toEqual([412, 'RITMO_LOG_MISMATCH', 2]);
    await build.append(2, 'cd');
    expect((await build.seal('abcd')).status).toBe(200);
  });

  test('begins anew once where the bytes differ, and then takes the right ones', async () => {
    const build = await running();
    await build.append(0, 'wrong');
    expect((await build.seal('right')).body.error).toMatchObject({ code: 'RITMO_LOG_MISMATCH', next: 0 });
    expect(await head(build)).toBe(0);
    await build.append(0, 'right');
    expect((await build.seal('right')).status).toBe(200);
    expect((await log(build)).body).toBe('right');
  });

  test('ends the job as errored where the bytes differ twice; a finish after that changes nothing', async () => {
    const build = await running();
    for (let time = 0; time < 2; time++) {
      await build.append(0, 'wrong');
      const answer = await build.seal('right');
      expect([answer.status, answer.body.error.retryable]).toEqual(time === 0 ? [412, true] : [409, false]);
    }
    expect((await build.finish('succeeded')).status).toBe(200);
    expect(await api.job(build.jobId)).toMatchObject({ state: 'errored', failure: { code: 'RITMO_LOG_MISMATCH' } });
  });

  test('an empty log is sealed as such', async () => {
    const build = await running();
    expect((await build.seal('')).status).toBe(200);
  });
});

describe('following', () => {
  test('gives what is there first, then what comes, and ends with the job', async () => {
    const build = await running();
    await build.append(0, 'one ');
    const reader = await follow(build.jobId);
    expect(reader.response.headers.get('ritmo-attempt')).toBe('1');
    expect(await reader.until('one ')).toBe('one ');
    await build.append(4, 'two ');
    expect(await reader.until('one two ')).toBe('one two ');
    const late = await follow(build.jobId);
    expect(await late.until('one two ')).toBe('one two ');
    const resumed = await follow(build.jobId, '?follow=1&attempt=1&offset=4');
    await build.append(8, 'three');
    await build.seal('one two three');
    await build.finish();
    expect(await Promise.all([reader.rest(), late.rest(), resumed.rest()])).toEqual([
      'one two three',
      'one two three',
      'two three',
    ]);
    expect(await (await follow(build.jobId)).rest()).toBe('one two three');
  });

  test('a queued job waits for its first attempt and goes on with each next one', async () => {
    const id = await api.submit({ attempts: 2 });
    const reader = await follow(id);
    const first = await worker.claimOne();
    await first.accept();
    await first.append(0, 'first;');
    await first.finish('errored', { failure: { code: 'RITMO_DISK_FULL', message: 'full', retryable: true } });
    const second = await worker.claimOne();
    await second.accept();
    await second.append(0, 'second;');
    await second.finish();
    expect(await reader.rest()).toBe('first;second;');
    expect(await (await follow(id, '?follow=1&attempt=1')).rest()).toBe('first;');
  });

  test('ends for a job that is cancelled before it began', async () => {
    const id = await api.submit();
    const reader = await follow(id);
    await api.user('POST', `/v1/jobs/${id}/cancel`, { body: {} });
    expect(await reader.rest()).toBe('');
  });

  test('ends with an error when the log is begun anew, so that nobody keeps bytes that no longer stand', async () => {
    const build = await running();
    await build.append(0, 'wrong');
    const reader = await follow(build.jobId);
    await reader.until('wrong');
    await build.seal('right');
    await expect(reader.rest()).rejects.toThrow(/terminated/);
    expect(reader.response.headers.get('ritmo-log-edition')).toBe('1');
    expect((await follow(build.jobId)).response.headers.get('ritmo-log-edition')).toBe('2');
  });

  test('one reader that does not read holds up neither the writer nor another reader', async () => {
    const build = await running();
    const stuck = await follow(build.jobId);
    const hash = createHash('sha256');
    const reading = api.fetch('GET', `/v1/jobs/${build.jobId}/log?follow=1`, api.userToken).then(async (response) => {
      for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) hash.update(bytes);
    });
    const sent = createHash('sha256');
    const block = 1024 * 1024;
    for (let index = 0; index < 24; index++) {
      const bytes = Buffer.alloc(block, `${index} `);
      sent.update(bytes);
      await build.append(index * block, bytes);
    }
    await build.finish();
    await reading;
    expect(hash.digest('hex')).toBe(sent.digest('hex'));
    await stuck.cancel();
  });

  test('a reader that hangs up is forgotten', async () => {
    const build = await running();
    const reader = await follow(build.jobId);
    const followers = async () =>
      /^ritmo_log_followers (\d+)$/m.exec((await api.user<string>('GET', '/metrics')).body)?.[1];
    while ((await followers()) !== '1');
    await reader.cancel();
    while ((await followers()) !== '0');
  });
});

test('a part is read by offset; an attempt that was not handed out is 404', async () => {
  const build = await running();
  await build.append(0, 'abcdef');
  expect((await log(build, '?offset=4')).body).toBe('ef');
  expect((await log(build, '?offset=99')).body).toBe('');
  expect((await log(build, '?attempt=2')).status).toBe(404);
});

describe('log.txt', () => {
  const records = (build: TestBuild) =>
    [
      { k: 'log', v: 1, job: build.jobId, epoch: 1, start: '2026-01-01T00:00:00.000Z' },
      { t: 0, k: 'note', level: 'info', m: 'Pulling\u001b[2J node' },
      { t: 1, k: 'step', s: 0, name: 'Build', cmd: 'make' },
      { t: 2, k: 'out', s: 0, fd: 1, m: '\u001b[31mred\u001b' },
      { t: 3, k: 'out', s: 0, fd: 2, m: 'warning\n' },
      { t: 3, k: 'out', s: 0, fd: 1, m: ']0;title\u0007 10%\r 20%\u001b[K\u001b[5A\u0008!' },
      { t: 4, k: 'end', s: 0, code: 2 },
      { t: 5, k: 'future', m: 'skipped' },
      { t: 6, k: 'step', s: 1, name: 'Next', cmd: 'x' },
      { t: 7, k: 'out', s: 1, fd: 1, m: 'plain\n' },
      { t: 8, k: 'end', s: 1, code: 0 },
    ]
      .map((record) => `${JSON.stringify(record)}\n`)
      .join('');

  test('lets only colours, CR and erase-line through, and resets colours at the end of a step', async () => {
    const build = await running();
    await build.append(0, records(build));
    const { body, headers } = await api.user<string>('GET', `/v1/jobs/${build.jobId}/log.txt`);
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(body).toBe(
      '[info] Pulling node\n--- Build ---\n\u001b[31mredwarning\n 10%\r 20%\u001b[K!\u001b[0m\n[exited with 2]\n--- Next ---\nplain\n',
    );
  });

  test('is as it was printed with raw=1', async () => {
    const build = await running();
    await build.append(0, records(build));
    const { body } = await api.user<string>('GET', `/v1/jobs/${build.jobId}/log.txt?raw=1`);
    expect(body).toContain('\u001b[31mred\u001bwarning\n]0;title\u0007 10%\r 20%\u001b[K\u001b[5A\u0008!');
  });
});

import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { errorAnswer } from '@ritmo/protocol';
import { routes } from '@ritmo/protocol/routes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ErrorBody, Harness, plainJob, workerInfo } from './support/harness.js';

let api: Harness;
beforeAll(async () => {
  api = await Harness.start({ hostNames: ['ritmo.example'] });
});
afterAll(() => api[Symbol.asyncDispose]());

function submitText(body: string | Uint8Array, headers: Record<string, string> = {}) {
  return api.user<ErrorBody>('POST', '/v1/jobs', { body, headers: { 'content-type': 'application/json', ...headers } });
}

function statusWithHost(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(`${api.server.url}/healthz`, { headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    call.on('error', reject);
    call.end();
  });
}

describe('tokens', () => {
  test('every call of the reference is refused without a token, but for the health check', async () => {
    for (const route of Object.values(routes)) {
      const path = route.path.replaceAll(/\{\w+\}/g, 'some-thing-that-is-there');
      const { status } = await api.call(route.method.toUpperCase(), path, undefined);
      expect([route.operationId, status]).toEqual([route.operationId, route.operationId === 'health' ? 200 : 401]);
    }
  });

  test('every call is refused with a token of each other role, also where it is about the owner of the token', async () => {
    const worker = await api.register();
    await api.submit();
    const build = await worker.claimOne();
    const tokens = {
      user: api.userToken,
      registration: api.registrationToken,
      worker: worker.registration.workerToken,
      job: build.offer.jobToken,
    };
    for (const route of Object.values(routes)) {
      const roles: readonly string[] = route.roles;
      if (roles.includes('none')) continue;
      const id = route.path.startsWith('/v1/workers') ? worker.registration.workerId : build.jobId;
      const path = route.path.replace('{id}', id).replace('{artifactId}', 'some-artifact');
      for (const [role, token] of Object.entries(tokens)) {
        if (roles.includes(role)) continue;
        const answer = await api.call<ErrorBody>(route.method.toUpperCase(), path, token);
        expect([route.operationId, role, answer.status]).toEqual([route.operationId, role, 403]);
        if (route.method !== 'head') expect(answer.body.error.code).toBe('RITMO_FORBIDDEN');
      }
    }
    await build.finish();
  });

  test('an unknown token is 401 in our form', async () => {
    const answer = await api.call<ErrorBody>('GET', '/v1/jobs', 'ritmo_user_guess');
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(errorAnswer.parse(answer.body).error.code).toBe('RITMO_UNAUTHORIZED');
  });

  test('a worker token is for one worker, and a job token for one job', async () => {
    const [one, two] = [await api.register(), await api.register()];
    const ids = [await api.submit(), await api.submit()];
    const builds = [await one.claimOne(), await one.claimOne()];
    expect(builds.map((build) => build.jobId).toSorted()).toEqual(ids.toSorted());
    const asOther = await api.call<ErrorBody>('POST', `${two.path}/claims`, one.registration.workerToken, {
      body: { requestId: 'request-x', max: 1, waitMs: 0 },
    });
    expect([asOther.status, asOther.body.error.code]).toEqual([403, 'RITMO_FORBIDDEN']);
    const [first, second] = builds;
    const foreign = await api.call<ErrorBody>('POST', `/v1/jobs/${first?.jobId}/accept`, second?.offer.jobToken, {
      body: { epoch: 1 },
    });
    expect([foreign.status, foreign.body.error.code]).toEqual([403, 'RITMO_FORBIDDEN']);
    for (const build of builds) await build.finish();
  });
});

describe('the Host header', () => {
  test.each(['localhost:1', '127.0.0.1', '[::1]:80', 'ritmo.example:8080', 'RITMO.example'])(
    '%s is taken',
    async (host) => {
      expect(await statusWithHost(host)).toBe(200);
    },
  );

  test.each(['evil.example', 'localhost.evil.example', '169.254.1.1', 'evil.example:8080'])(
    '%s is refused',
    async (host) => {
      expect(await statusWithHost(host)).toBe(421);
    },
  );
});

describe('errors', () => {
  test('an unknown call answers in our form, whoever asks', async () => {
    for (const token of [undefined, api.userToken]) {
      const answer = await api.call<ErrorBody>('GET', '/v2/nothing', token);
      expect([answer.status, errorAnswer.parse(answer.body).error.code]).toEqual([404, 'RITMO_NOT_FOUND']);
    }
  });

  test('no answer lets a page of another origin read it', async () => {
    const answer = await api.call('OPTIONS', '/v1/jobs', undefined, { headers: { origin: 'https://evil.example' } });
    expect(answer.status).toBe(404);
    const listed = await api.user('GET', '/v1/jobs', { headers: { origin: 'https://evil.example' } });
    expect(listed.headers.get('access-control-allow-origin')).toBeNull();
    expect(listed.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test.each<[string, string | Uint8Array, number, string, Record<string, string>?]>([
    ['text that is not JSON', '{"job":', 400, 'RITMO_INVALID_REQUEST'],
    ['a body that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'RITMO_INVALID_REQUEST'],
    [
      'a key that is there twice',
      '{"job":{"name":"a","name":"b","steps":[{"run":"x"}]}}',
      400,
      'RITMO_INVALID_REQUEST',
    ],
    ['__proto__', '{"job":{"name":"a","__proto__":{},"steps":[]}}', 400, 'RITMO_INVALID_REQUEST'],
    ['__proto__ in escapes', '{"job":{"\\u005f_proto__":{}}}', 400, 'RITMO_INVALID_REQUEST'],
    ['depth 33', `${'['.repeat(33)}${']'.repeat(33)}`, 400, 'RITMO_INVALID_REQUEST'],
    ['a list of half a million values', `{"job":{"steps":[${'1,'.repeat(500_000)}1]}}`, 400, 'RITMO_INVALID_REQUEST'],
    ['an empty body', '', 400, 'RITMO_JOB_INVALID'],
    [
      'more than 500 steps',
      JSON.stringify({ job: { name: 'a', steps: Array.from({ length: 501 }, () => ({ run: 'x' })) } }),
      400,
      'RITMO_JOB_INVALID',
    ],
    [
      'a job above 1 MiB',
      JSON.stringify({ job: { ...plainJob, steps: [{ run: 'x'.repeat(600_000) }, { run: 'y'.repeat(600_000) }] } }),
      413,
      'RITMO_TOO_LARGE',
    ],
    ['a body above its bound', ' '.repeat(9 * 1024 * 1024), 413, 'RITMO_TOO_LARGE'],
    ['gzip that is none', 'x', 400, 'RITMO_INVALID_REQUEST', { 'content-encoding': 'gzip' }],
    ['another encoding', 'x', 415, 'RITMO_INVALID_REQUEST', { 'content-encoding': 'br' }],
    [
      'gzip that inflates above the bound',
      gzipSync(Buffer.alloc(64 * 1024 * 1024)),
      413,
      'RITMO_TOO_LARGE',
      { 'content-encoding': 'gzip' },
    ],
    ['a form, as a web page would send it', 'a=b', 415, 'RITMO_INVALID_REQUEST', { 'content-type': 'text/plain' }],
  ])('%s is refused in our form', async (_what, body, status, code, headers = {}) => {
    const answer = await submitText(body, headers);
    expect([answer.status, errorAnswer.parse(answer.body).error.code]).toEqual([status, code]);
  });

  test('everything wrong with a job is said at once, each with its place', async () => {
    const answer = await submitText(JSON.stringify({ job: { name: 'a\u001b[31m', steps: [{ run: '' }], tiemout: 1 } }));
    expect(answer.body.error.code).toBe('RITMO_JOB_INVALID');
    expect(answer.body.error.message).toMatch(/job\.name: .*job\.steps\[0\]\.run: .*tiemout/s);
  });

  test('gzip that fits is taken', async () => {
    const answer = await submitText(gzipSync(JSON.stringify({ job: plainJob })), { 'content-encoding': 'gzip' });
    expect(answer.status).toBe(201);
  });

  test('another protocol version is 426', async () => {
    const answer = await api.call<ErrorBody>('POST', '/v1/workers', api.registrationToken, {
      body: workerInfo(),
      headers: { 'Ritmo-Protocol': '2' },
    });
    expect([answer.status, answer.body.error.code]).toEqual([426, 'RITMO_PROTOCOL_VERSION']);
  });

  test('fields that a newer worker sends are ignored, values it knows more of are left out', async () => {
    const info = workerInfo();
    const isolation = info.isolation.map((one) => ({
      ...one,
      capabilities: { ...one.capabilities, limits: ['memory', 'io'], gpus: 2 },
    }));
    const answer = await api.call('POST', '/v1/workers', api.registrationToken, {
      body: { ...info, isolation, colour: 'blue' },
    });
    expect(answer.status).toBe(201);
  });
});

test('/openapi.json is the checked-in document, /healthz says ok', async () => {
  const document = await api.user<{ openapi: string; paths: object }>('GET', '/openapi.json');
  expect(document.body.openapi).toBe('3.1.0');
  expect(Object.keys(document.body.paths)).toContain('/v1/workers/{id}/claims');
  expect((await api.call('GET', '/healthz', undefined)).body).toEqual({ status: 'ok' });
});

test('/metrics counts calls by route and jobs by state', async () => {
  const id = await api.submit();
  await api.user('POST', `/v1/jobs/${id}/cancel`, { body: {} });
  const { body } = await api.user<string>('GET', '/metrics');
  expect(body).toMatch(/^ritmo_jobs\{state="cancelled"\} [1-9]/m);
  expect(body).toMatch(/^ritmo_http_requests_total\{method="POST",route="\/v1\/jobs\/:id\/cancel",status="200"\} 1$/m);
  expect(body).toMatch(/^ritmo_jobs_ended_total\{state="cancelled"\} [1-9]/m);
  expect(body).not.toContain(id);
});

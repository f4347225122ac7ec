import type { ArtifactEntry } from '@ritmo/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Harness, sha256 } from './support/harness.js';

let api: Harness;
beforeAll(async () => {
  api = await Harness.start();
});
afterAll(() => api[Symbol.asyncDispose]());

test('a job goes from submit over claim, accept, log, artifacts and finish to its end', async () => {
  const worker = await api.register();
  const claimed = worker.claimOne();
  const id = await api.submit({ name: 'whole way' });
  const build = await claimed;
  expect(build.jobId).toBe(id);
  expect(build.offer).toMatchObject({
    lease: { epoch: 1, ttlMs: 60_000 },
    acceptWithinMs: 15_000,
    job: { name: 'whole way' },
  });
  expect((await build.accept()).status).toBe(200);
  expect(await api.job(id)).toMatchObject({ state: 'running', epoch: 1, worker: worker.info.name });

  const log = `{"k":"log","v":1,"job":"${id}","epoch":1,"start":"2026-01-01T00:00:00.000Z"}\n{"t":1,"k":"out","s":0,"fd":1,"m":"hi\\n"}\n`;
  const followed = api.fetch('GET', `/v1/jobs/${id}/log?follow=1`, api.userToken).then((response) => response.text());
  expect((await build.append(0, log.slice(0, 50))).body).toEqual({ next: 50 });
  expect((await build.append(50, log.slice(50))).body.next).toBe(log.length);
  expect((await build.seal(log)).status).toBe(200);

  const bytes = new TextEncoder().encode('report');
  const file = {
    artifactId: 'artifact-1',
    name: 'report',
    path: 'out/report.txt',
    size: 6,
    mode: 0o644,
    contentType: 'text/plain',
  };
  const plan = await build.plan([file]);
  expect(plan.body.files[0]?.upload?.url).toBe(`/v1/jobs/${id}/artifacts/artifact-1/content`);
  expect((await build.upload('artifact-1', bytes)).status).toBe(200);
  expect((await build.complete('artifact-1', sha256(bytes))).status).toBe(200);
  expect(
    (await build.finish('succeeded', { exitCode: 0, artifacts: 1, log: { length: log.length, sha256: sha256(log) } }))
      .status,
  ).toBe(200);

  expect(await followed).toBe(log);
  expect(await api.job(id)).toMatchObject({
    state: 'succeeded',
    exitCode: 0,
    artifacts: 1,
    attempts: [{ epoch: 1, log: { length: log.length, sealed: true } }],
  });
  const list = await api.user<{ artifacts: ArtifactEntry[] }>('GET', `/v1/jobs/${id}/artifacts`);
  expect(list.body.artifacts).toMatchObject([{ path: 'out/report.txt', size: 6, sha256: sha256(bytes) }]);
  const download = await api.fetch('GET', `/v1/jobs/${id}/artifacts/artifact-1`, api.userToken);
  expect(await download.text()).toBe('report');
  expect(download.headers.get('content-disposition')).toContain('attachment; filename="report.txt"');
});

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startServer, stateFolder } from '../support/cluster.js';
import { processesWithMarker } from '../support/witness.js';
import { startExample } from './run.js';

it('a service with a worker inside builds, answers for its health on its own port, and ends builds before itself', async () => {
  const server = await startServer();
  const stateDir = await stateFolder();
  const service = startExample('examples/embed-in-a-service/main.ts', [], {
    env: {
      PORT: '0',
      STATE_DIR: stateDir,
      RITMO_API_SERVER: server.url,
      RITMO_TOKEN_FILE: server.registrationTokenFile,
    },
  });
  const [, address = ''] = await service.stdout.waitFor(/listening on (http:\S+)/);
  const get = async (path: string) => {
    const answer = await fetch(`${address}${path}`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  expect(await get('/healthz')).toEqual({ status: 200, body: { ok: true } });
  let ready = await get('/readyz');
  for (; ready.status !== 200; ready = await get('/readyz')) await sleep(50);
  expect(ready.body).toEqual({ state: 'running', reasons: [] });

  const first = await server.submit({ name: 'first', steps: [{ run: 'echo built' }], labels: { in: 'service' } });
  expect((await server.ended(first)).state).toBe('succeeded');
  expect(await server.output(first)).toBe('built\n');

  // One more is under way when the service is told to end: only we can end that build.
  const script = 'trap "echo ended by us; exit 0" TERM; echo started; while :; do sleep 0.1; done';
  const second = await server.submit({ name: 'second', steps: [{ run: script }] });
  await server.when(second, ['running']);
  while (!(await server.output(second)).includes('started')) await sleep(50);
  service.kill('SIGTERM');
  while (ready.status === 200) ready = await get('/readyz');
  expect(ready).toMatchObject({ status: 503, body: { state: 'draining' } });
  expect((await get('/builds')).body).toMatchObject({ recent: [{ jobId: first, outcome: 'succeeded' }] });
  expect((await server.call('POST', `/v1/jobs/${second}/cancel`, {})).ok).toBe(true);
  expect((await server.ended(second)).state).toBe('cancelled');
  expect(await server.output(second)).toMatch(/^started\n(.*\n)?ended by us\n$/);
  expect(await service.ended).toEqual({ exitCode: 0, signal: undefined });
  expect(service.stdout.all.at(-1)).toBe('ended');
  expect(service.stderr.text).toBe('');
  expect(await processesWithMarker(stateDir)).toEqual([]);
});

it('a service whose API server is away answers for its health, and ends when it is told to', async () => {
  const stateDir = await stateFolder();
  const token = join(dirname(stateDir), 'token');
  await writeFile(token, 'any\n');
  const service = startExample('examples/embed-in-a-service/main.ts', [], {
    env: { PORT: '0', STATE_DIR: stateDir, RITMO_API_SERVER: 'localhost:9', RITMO_TOKEN_FILE: token },
  });
  const [, address = ''] = await service.stdout.waitFor(/listening on (http:\S+)/);
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
  const answer = await fetch(`${address}/readyz`);
  expect([answer.status, await answer.json()]).toMatchObject([503, { state: 'starting' }]);
  service.kill('SIGTERM');
  expect(await service.ended).toEqual({ exitCode: 0, signal: undefined });
  expect(service.stdout.all.at(-1)).toBe('ended');
  expect(service.stderr.text).toBe('');
});

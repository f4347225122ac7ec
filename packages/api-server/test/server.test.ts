import { chmod, chown, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startApiServer } from '../src/index.js';
import { Harness } from './support/harness.js';

test('a second server on the same data folder is refused, and the folder is free once the first closed', async () => {
  await using api = await Harness.start();
  await expect(startApiServer({ dataDir: api.dataDir, port: 0 })).rejects.toMatchObject({
    code: 'RITMO_STATE_LOCKED',
    name: 'RitmoError',
  });
  await api.restart();
  expect((await api.user('GET', '/v1/jobs')).status).toBe(200);
});

test('the data folder is for its owner alone, and tokens stay the same over a restart', async () => {
  await using api = await Harness.start();
  const modes = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  expect(await modes(api.dataDir)).toBe('700');
  for (const name of ['user.token', 'registration.token', 'secrets.key'])
    expect(await modes(join(api.dataDir, name))).toBe('600');
  const tokens = [api.userToken, api.registrationToken];
  await api.restart();
  expect([api.userToken, api.registrationToken]).toEqual(tokens);
});

test('a folder that holds other things is not taken for the data folder, and keeps its mode', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ritmo-api-'));
  try {
    await chmod(dataDir, 0o755);
    await writeFile(join(dataDir, 'letter'), '');
    await expect(startApiServer({ dataDir, port: 0 })).rejects.toMatchObject({
      code: 'RITMO_STATE_UNREADABLE',
      message: expect.stringContaining('other things') as string,
    });
    expect(await readdir(dataDir)).toEqual(['letter']);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o755);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test.runIf(process.getuid?.() === 0)('a folder of another user is taken where no others may look into it', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ritmo-api-'));
  try {
    await chown(dataDir, 4321, 4321);
    await chmod(dataDir, 0o775);
    await expect(startApiServer({ dataDir, port: 0 })).rejects.toMatchObject({
      code: 'RITMO_STATE_UNREADABLE',
      message: expect.stringContaining('Others may look') as string,
    });
    await chmod(dataDir, 0o770);
    const server = await startApiServer({ dataDir, port: 0 });
    await server.close();
    expect((await stat(dataDir)).mode & 0o777).toBe(0o770);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test('tokens of workers and jobs, resume keys and secrets are nowhere on disk in clear', async () => {
  await using api = await Harness.start();
  const worker = await api.register();
  await api.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 'a-very-hidden-value' });
  const build = await worker.claimOne();
  const { workerToken, resumeKey } = worker.registration;
  const files = (await readdir(api.dataDir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const contents = await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name), 'latin1')));
  expect(contents.length).toBeGreaterThan(3);
  for (const hidden of [workerToken, resumeKey, build.offer.jobToken, 'a-very-hidden-value'])
    expect(contents.some((content) => content.includes(hidden))).toBe(false);
});

test('wrong options are named, all of them', async () => {
  const wrong = { dataDir: '', port: 70_000, leaseTtl: 5 } as unknown as Parameters<typeof startApiServer>[0];
  const error = await startApiServer(wrong).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'RITMO_USAGE' });
  for (const name of ['dataDir', 'port', 'leaseTtl']) expect(String(error)).toContain(name);
});

test('waits that no claim may ask for are refused: workers would be told to ask for them', async () => {
  const error = await startApiServer({ dataDir: tmpdir(), port: 0, claimWaitMs: 60_001 }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'RITMO_USAGE' });
  expect(String(error)).toContain('claimWaitMs');
});

test('a connection on which no whole head of a call comes is closed, and one that calls is not', async () => {
  await using api = await Harness.start({ headMs: 2_000 });
  const [slow, silent] = [connect(api.server.port, '127.0.0.1'), connect(api.server.port, '127.0.0.1')];
  slow.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  slow.resume();
  silent.resume();
  const worker = await api.register();
  const [offers] = await Promise.all([worker.claim({ waitMs: 3_000 }), once(slow, 'close'), once(silent, 'close')]);
  expect(offers).toEqual([]);
});

test('an address that is taken is said in a sentence, and the data folder is left free', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ritmo-api-'));
  const other = createServer();
  const port = await new Promise<number>((resolve) =>
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port)),
  );
  try {
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(startApiServer({ dataDir, port })).rejects.toMatchObject({
        code: 'RITMO_UNAVAILABLE',
        message: expect.stringContaining(String(port)),
      });
  } finally {
    await new Promise((resolve) => other.close(resolve));
    await rm(dataDir, { recursive: true });
  }
});

test('a data folder that cannot be made, a broken key and a newer database are refused with a code', async () => {
  await using api = await Harness.start();
  await expect(startApiServer({ dataDir: join(api.dataDir, 'user.token'), port: 0 })).rejects.toMatchObject({
    code: 'RITMO_STATE_UNREADABLE',
  });
  await api.server.close();
  const key = await readFile(join(api.dataDir, 'secrets.key'));
  await writeFile(join(api.dataDir, 'secrets.key'), 'short');
  await expect(startApiServer({ dataDir: api.dataDir, port: 0 })).rejects.toMatchObject({
    code: 'RITMO_STATE_UNREADABLE',
  });
  await writeFile(join(api.dataDir, 'secrets.key'), key);
  await api.boot();
});

import { readdir, readlink } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type ArtifactEntry, artifactPage } from '@ritmo/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ErrorBody, Harness, TestClock, type TestBuild, type TestWorker, sha256 } from './support/harness.js';

let api: Harness;
let worker: TestWorker;
let build: TestBuild;
const clock = new TestClock();
const bytes = new TextEncoder().encode('report');
const file = {
  artifactId: 'artifact-1',
  name: 'report',
  path: 'out/report.txt',
  size: 6,
  mode: 0o644,
  contentType: 'text/html',
};

beforeEach(async () => {
  api = await Harness.start({ clock, maxArtifactBytes: 1024 * 1024, maxArtifactFiles: 600 });
  worker = await api.register();
  await api.submit({ attempts: 2, artifacts: [{ name: 'report', paths: ['**'], expireIn: 1000 }] });
  build = await worker.claimOne();
  await build.accept();
});
afterEach(() => api[Symbol.asyncDispose]());

async function listed(query = ''): Promise<ArtifactEntry[]> {
  return (await api.user<{ artifacts: ArtifactEntry[] }>('GET', `/v1/jobs/${build.jobId}/artifacts${query}`)).body
    .artifacts;
}

async function store(of: TestBuild, one = file, content = bytes): Promise<void> {
  await of.plan([one]);
  await of.upload(one.artifactId, content);
  expect((await of.complete(one.artifactId, sha256(content))).status).toBe(200);
}

async function filesOnDisk(): Promise<string[]> {
  const entries = await readdir(join(api.dataDir, 'artifacts'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

test('a file is listed once it is complete, not before; every step may be repeated', async () => {
  for (let time = 0; time < 2; time++) expect((await build.plan([file])).body.files[0]?.upload).toBeDefined();
  for (let time = 0; time < 2; time++)
    expect((await build.upload('artifact-1', bytes)).headers.get('etag')).toBe(`"${sha256(bytes)}"`);
  expect(await listed()).toEqual([]);
  for (let time = 0; time < 2; time++) expect((await build.complete('artifact-1', sha256(bytes))).status).toBe(200);
  expect(await listed()).toEqual([{ ...file, epoch: 1, sha256: sha256(bytes) }]);
  expect((await build.plan([file])).body.files).toEqual([{ artifactId: 'artifact-1', stored: true }]);
  expect(await filesOnDisk()).toEqual([sha256(bytes)]);
});

describe('refused is', () => {
  test('a body that is shorter, longer or another than announced', async () => {
    await build.plan([{ ...file, sha256: sha256('other!') }]);
    for (const body of ['repor', 'reports', 'report']) {
      const answer = await build.upload('artifact-1', Buffer.from(body));
      expect([answer.status, answer.body.error.code, answer.body.error.retryable]).toEqual([
        412,
        'RITMO_ARTIFACT_UPLOAD',
        true,
      ]);
    }
    expect(await filesOnDisk()).toEqual([]);
  });

  test('a completion with another sha256, or before any bytes came', async () => {
    await build.plan([file]);
    expect((await build.complete('artifact-1', sha256(bytes))).body.error.code).toBe('RITMO_CONFLICT');
    await build.upload('artifact-1', bytes);
    expect((await build.complete('artifact-1', sha256('x'))).body.error.code).toBe('RITMO_ARTIFACT_UPLOAD');
    expect(await listed()).toEqual([]);
  });

  test('an id that was not announced, or announced for another file', async () => {
    expect((await build.upload('artifact-9', bytes)).status).toBe(404);
    await build.plan([file]);
    expect((await build.plan([{ ...file, path: 'other' }])).body.error.code).toBe('RITMO_CONFLICT');
  });

  test('a path that leaves the workspace, a file that is too large, more than 500 at once', async () => {
    for (const path of ['../x', '/etc/passwd', 'a/../../x'])
      expect((await build.plan([{ ...file, path }])).status).toBe(400);
    expect((await build.plan([{ ...file, size: 1024 * 1024 + 1 }])).body.error.code).toBe('RITMO_ARTIFACT_LIMIT');
    const many = Array.from({ length: 501 }, (_, index) => ({ ...file, artifactId: `artifact-${index}` }));
    expect((await build.plan(many)).status).toBe(400);
    expect((await build.plan(many.slice(1))).body.files).toHaveLength(500);
  });

  test('everything after the end of the job', async () => {
    await build.plan([file]);
    await build.finish();
    expect((await build.upload('artifact-1', bytes)).body.error.code).toBe('RITMO_CONFLICT');
    expect((await build.plan([{ ...file, artifactId: 'artifact-2' }])).body.error.code).toBe('RITMO_CONFLICT');
  });
});

test('an upload that is cut off leaves nothing, and can be sent again', async () => {
  await build.plan([file]);
  const path = `/v1/jobs/${build.jobId}/artifacts/artifact-1/content`;
  await new Promise<void>((resolve) => {
    const call = request(`${api.server.url}${path}`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${build.offer.jobToken}`,
        'content-type': 'application/octet-stream',
        'content-length': '6',
        'ritmo-epoch': '1',
      },
    });
    call.on('error', () => {});
    call.on('close', () => resolve());
    call.write('rep');
    void (async () => {
      while ((await filesOnDisk()).length === 0);
      call.destroy();
    })();
  });
  while ((await filesOnDisk()).length > 0);
  expect((await build.upload('artifact-1', bytes)).status).toBe(200);
});

test('empty files and links are stored without bytes', async () => {
  const empty = { ...file, artifactId: 'artifact-2', path: 'empty', size: 0 };
  const link = { ...file, artifactId: 'artifact-3', path: 'link', size: 0, linkTarget: 'out/report.txt' };
  expect((await build.plan([empty, link])).body.files.map((one) => one.stored)).toEqual([true, true]);
  expect(await listed()).toMatchObject([{ path: 'empty' }, { path: 'link', linkTarget: 'out/report.txt' }]);
  expect((await api.user('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-2`)).body).toBe('');
});

async function buildOf(project?: string): Promise<TestBuild> {
  await api.submit({}, {}, project);
  const made = await worker.claimOne();
  await made.accept();
  return made;
}

test('content that a job of the same project stored is not asked for again; that of another project is', async () => {
  await store(build);
  const same = { ...file, artifactId: 'artifact-2', path: 'copy', sha256: sha256(bytes) };
  expect((await build.plan([same])).body.files).toEqual([{ artifactId: 'artifact-2', stored: true }]);
  const sibling = await buildOf();
  expect((await sibling.plan([same])).body.files).toEqual([{ artifactId: 'artifact-2', stored: true }]);
  expect((await api.user('GET', `/v1/jobs/${sibling.jobId}/artifacts/artifact-2`)).body).toBe('report');
  const foreign = await buildOf('other');
  const [plan] = (await foreign.plan([same])).body.files;
  expect(plan).toMatchObject({ upload: {} });
  expect(plan?.stored).toBeUndefined();
  expect(plan?.known).toBeUndefined();
});

test('a file of a size that the project has is asked for its sha256 before its bytes', async () => {
  await store(build);
  const sibling = await buildOf();
  const [asked] = (await sibling.plan([file])).body.files;
  expect(asked).toMatchObject({ known: true, upload: {} });
  const same = { ...file, sha256: sha256(bytes) };
  expect((await sibling.plan([same])).body.files).toEqual([{ artifactId: 'artifact-1', stored: true }]);

  const other = new TextEncoder().encode('REPORT');
  const third = await buildOf();
  const [plan] = (await third.plan([{ ...file, sha256: sha256(other) }])).body.files;
  expect(plan?.stored).toBeUndefined();
  expect(plan?.known).toBeUndefined();
  expect((await third.plan([{ ...file, sha256: sha256(bytes) }])).status).toBe(409);
  expect((await third.upload('artifact-1', other)).status).toBe(200);
  expect((await third.complete('artifact-1', sha256(other))).status).toBe(200);

  const foreign = await buildOf('other');
  expect((await foreign.plan([file])).body.files[0]?.known).toBeUndefined();
});

test('each attempt has its own files; the list shows those of the latest', async () => {
  await store(build);
  await build.finish('errored', { failure: { code: 'RITMO_DISK_FULL', message: 'full', retryable: true } });
  const second = await worker.claimOne();
  await second.accept();
  const content = new TextEncoder().encode('second');
  await store(second, file, content);
  expect(await listed()).toMatchObject([{ epoch: 2, sha256: sha256(content) }]);
  expect(await listed('?attempt=1')).toMatchObject([{ epoch: 1, sha256: sha256(bytes) }]);
  expect((await api.user('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`)).body).toBe('second');
});

describe('many files of a job', () => {
  const empty = (n: number) => ({ ...file, artifactId: `artifact-${n}`, path: `out/${n}`, size: 0 });

  test('are listed page by page, as they were announced; 100 at a time, and never more than 500', async () => {
    const files = Array.from({ length: 510 }, (_, n) => empty(n));
    await build.plan(files.slice(0, 500));
    await build.plan(files.slice(500));
    const page = async (query: string) => {
      const answer = await api.user('GET', `/v1/jobs/${build.jobId}/artifacts${query}`);
      return artifactPage.parse(answer.body);
    };
    expect((await page('')).artifacts).toHaveLength(100);
    const first = await page('?limit=100000');
    expect(first.artifacts).toHaveLength(500);
    const rest = await page(`?limit=500&cursor=${first.cursor}`);
    expect(rest.cursor).toBeUndefined();
    expect([...first.artifacts, ...rest.artifacts].map((one) => one.path)).toEqual(files.map((one) => one.path));
    expect((await api.user('GET', `/v1/jobs/${build.jobId}/artifacts?cursor=x`)).status).toBe(400);
  });

  test('are bounded, over all attempts; what is refused leaves nothing', async () => {
    expect((await build.plan([empty(1), empty(2), empty(3)])).status).toBe(200);
    await build.finish('errored', { failure: { code: 'RITMO_DISK_FULL', message: 'full', retryable: true } });
    const second = await worker.claimOne();
    await second.accept();
    await second.plan(Array.from({ length: 500 }, (_, n) => empty(n)));
    const refused = await second.plan(Array.from({ length: 98 }, (_, n) => empty(500 + n)));
    expect([refused.status, refused.body.error.code]).toEqual([413, 'RITMO_ARTIFACT_LIMIT']);
    expect((await second.plan(Array.from({ length: 97 }, (_, n) => empty(500 + n)))).status).toBe(200);
    expect((await second.plan([empty(1)])).status).toBe(200);
    expect((await second.plan([empty(597)])).body.error.code).toBe('RITMO_ARTIFACT_LIMIT');
  });
});

test('a download cannot run in a browser, and its name cannot break out of its header', async () => {
  const name = 'ev"il\u00fc;\ud83c\udf89\n.html';
  await store(build, { ...file, path: `out/${name}`, contentType: 'text/html; x="\\"' });
  const answer = await api.fetch('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`, api.userToken);
  expect(answer.headers.get('content-disposition')).toBe(
    'attachment; filename="ev_il_____.html"; filename*=UTF-8\'\'ev%22il%C3%BC%3B%F0%9F%8E%89%0A.html',
  );
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  expect(answer.headers.get('content-security-policy')).toContain('sandbox');
  expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  expect(answer.headers.get('content-length')).toBe('6');
  expect(await answer.text()).toBe('report');
});

test('HEAD of a file says what a download would, and holds nothing open', async () => {
  await store(build);
  const path = `/v1/jobs/${build.jobId}/artifacts/artifact-1`;
  const { headers } = await api.fetch('GET', path, api.userToken);
  const openFiles = async () => {
    const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
    return (await Promise.all(links)).filter((target) => target.startsWith(join(api.dataDir, 'artifacts')));
  };
  while ((await openFiles()).length > 0);
  for (let time = 0; time < 3; time++) {
    const answer = await api.fetch('HEAD', path, api.userToken);
    expect(answer.status).toBe(200);
    for (const name of ['content-length', 'content-type', 'content-disposition', 'etag'])
      expect(answer.headers.get(name)).toBe(headers.get(name));
  }
  expect(await openFiles()).toEqual([]);
});

test('files go when their time is over', async () => {
  await store(build);
  clock.advance(61_000);
  while ((await filesOnDisk()).length > 0);
  expect(await listed()).toEqual([]);
  expect((await api.user<ErrorBody>('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`)).status).toBe(404);
});

test('an upload that was not complete can be completed after a restart of the server', async () => {
  await build.plan([file]);
  await build.upload('artifact-1', bytes);
  await api.restart();
  expect((await build.complete('artifact-1', sha256(bytes))).status).toBe(200);
  expect((await api.user('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`)).body).toBe('report');
});

describe('an upload that was not complete goes', () => {
  /** A file that stays for ever once it is complete. */
  async function sent(): Promise<TestBuild> {
    await build.finish();
    await api.submit({ attempts: 2, onLost: 'requeue', artifacts: [{ name: 'report', paths: ['**'] }] });
    const other = await worker.claimOne();
    await other.accept();
    await other.plan([file]);
    await other.upload('artifact-1', bytes);
    clock.advance(61_000);
    expect(await filesOnDisk()).toHaveLength(1);
    return other;
  }

  test('when its job has ended', async () => {
    const other = await sent();
    await worker.heartbeat([other.lease]);
    await other.finish('failed', { failure: { code: 'RITMO_STEP_FAILED', message: 'x', retryable: false } });
    clock.advance(61_000);
    while ((await filesOnDisk()).length > 0);
  });

  test('when another attempt has begun', async () => {
    const other = await sent();
    await worker.heartbeat([other.lease]);
    clock.advance(70_000);
    await api.until(other.jobId, ({ state }) => state === 'queued');
    await worker.claimOne();
    clock.advance(61_000);
    while ((await filesOnDisk()).length > 0);
  });

  test('when its job is lost for good, and not before', async () => {
    await build.plan([file]);
    await build.upload('artifact-1', bytes);
    await build.finish();
    await api.submit({ artifacts: [{ name: 'report', paths: ['**'] }] });
    const other = await worker.claimOne();
    await other.accept();
    await other.plan([file]);
    await other.upload('artifact-1', bytes);
    clock.advance(70_000);
    await api.until(other.jobId, ({ state }) => state === 'lost');
    clock.advance(61_000);
    // That of the job that has ended goes: so it was looked at.
    while ((await filesOnDisk()).length > 1);
    expect(await filesOnDisk()).toHaveLength(1);
    clock.advance(24 * 60 * 60_000);
    while ((await filesOnDisk()).length > 0);
  });
});

test('a large file arrives as it was sent', async () => {
  const large = Buffer.alloc(1024 * 1024, 'large ');
  await store(build, { ...file, size: large.length }, large);
  const answer = await api.fetch('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`, api.userToken);
  expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(sha256(large));
});

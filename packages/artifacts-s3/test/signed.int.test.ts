import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bucket } from '../src/client.js';
import { manifest, s3ArtifactStore, s3CacheStore, s3ServerBucket } from '../src/index.js';
import { settingsOf } from '../src/options.js';
import { SeaweedFs } from './support/seaweedfs.js';
import { all, each, journal, lease, pattern, scope, sha256, source } from './support/sources.js';

const mebibyte = 1024 ** 2;
const { signal } = new AbortController();
const names = ['report.html', 'a b+c', 'q?a=b&c#d', '%41/%2F', 'näme', "quote'()*!", '日本/~'];
let server: SeaweedFs;

beforeAll(async () => {
  server = await SeaweedFs.start();
});
afterAll(() => server[Symbol.asyncDispose]());

async function bytesOf(key: string): Promise<Buffer | undefined> {
  await using bucket = new Bucket(settingsOf(server.options));
  const body = await bucket.get(key, signal);
  return body && Buffer.concat(await all(body));
}

describe('a server that checks every signature', () => {
  it('takes files of every name, whole and in parts, with what is known of them', async () => {
    const big = pattern(23 * mebibyte + 7);
    await using artifacts = s3ArtifactStore({ ...server.options, prefix: 'ci/x y', partSize: 5 * mebibyte });
    const session = await artifacts.open(lease, journal());
    const files = [...names.map((name) => source(name, name)), source('big file', big), source('empty', '')];
    expect(await all(session.add(each(files), scope()))).toHaveLength(files.length);
    await session.commit();
    for (const name of names) expect(String(await bytesOf(`ci/x y/job1/3/out/${name}`))).toBe(name);
    expect(sha256((await bytesOf('ci/x y/job1/3/out/big file')) ?? '')).toBe(sha256(big));
    const list = manifest.parse(JSON.parse(String(await bytesOf('ci/x y/job1/3/ritmo-artifacts.json'))));
    expect(list.files).toHaveLength(files.length);
    await using bucket = new Bucket(settingsOf(server.options));
    expect((await bucket.head('ci/x y/job1/3/out/a b+c', signal))?.metadata).toMatchObject({
      'ritmo-job': 'job1',
      'ritmo-sha256': sha256('a b+c'),
    });
  });

  it('copies a large file that the project has', async () => {
    const big = pattern(12 * mebibyte, 5);
    await using artifacts = s3ArtifactStore({ ...server.options, prefix: 'x y', partSize: 5 * mebibyte });
    for (const job of ['first', 'second']) {
      const session = await artifacts.open({ ...lease, jobId: job }, journal(), 'web');
      const file = source('big file', big);
      await all(session.add(each([file]), scope()));
      await session.commit();
      expect(file.bytesRead).toBe(big.length);
      expect(sha256((await bytesOf(`x y/${job}/3/out/big file`)) ?? '')).toBe(sha256(big));
    }
    await using bucket = new Bucket(settingsOf(server.options));
    const names = [];
    for await (const { key } of bucket.list('x y/contents/web/', signal)) names.push(key);
    expect(names).toEqual([`x y/contents/web/${big.length}/${sha256(big)}`]);
  });

  it('refuses a wrong secret, in the words that a person can act on', async () => {
    const credentials = { accessKeyId: 'ritmo-test', secretAccessKey: 'wrong' };
    await using artifacts = s3ArtifactStore({ ...server.options, credentials });
    const session = await artifacts.open(lease, journal());
    await expect(all(session.add(each([source('a', 'x')]), scope()))).rejects.toMatchObject({
      message: 'a could not be stored: The S3 server refuses the credentials for the bucket builds.',
      retryable: false,
      hint: expect.stringContaining('Check the access key and its secret'),
    });
  });

  it('keeps caches in parts and in one piece, and finds them by key and by the beginning of keys', async () => {
    await using caches = s3CacheStore(server.options);
    const big = pattern(40 * mebibyte + 3);
    const chunks = Array.from({ length: 41 }, (_, n) => big.subarray(n * mebibyte, (n + 1) * mebibyte));
    expect(await caches.save('project', 'npm/a b+c', () => each([Buffer.from('small')]), signal)).toBe(true);
    expect(await caches.save('project', 'big', () => each(chunks), signal)).toBe(true);
    expect(await caches.save('project', 'big', () => each(chunks), signal)).toBe(false);
    const found = await caches.find({ scope: 'project', key: 'none', prefixes: ['npm/a '] }, signal);
    expect(found?.key).toBe('npm/a b+c');
    const whole = await caches.find({ scope: 'project', key: 'big', prefixes: [] }, signal);
    expect(sha256(Buffer.concat(await all(whole?.read(signal) ?? each([]))))).toBe(sha256(big));
    expect(await caches.find({ scope: 'other', key: 'big', prefixes: ['b'] }, signal)).toBeUndefined();
  });

  it('takes from those who hold a URL only what was signed', async () => {
    await using bucket = s3ServerBucket({ ...server.options, prefix: 'p q' });
    const put = (url: string, body: string, headers: Record<string, string>) =>
      fetch(url, { method: 'PUT', body, headers });
    const { url, headers } = await bucket.putTarget('job/1/id+1', 'text/plain');
    expect((await put(url, 'hello', { ...headers, 'Content-Type': 'text/html' })).status).toBe(403);
    expect((await put(url.replace('id%2B1', 'id%2B2'), 'hello', headers)).status).toBe(403);
    expect(await bucket.size('job/1/id+1')).toBeUndefined();
    expect((await put(url, 'hello', headers)).status).toBe(200);
    expect(await bucket.size('job/1/id+1')).toBe(5);
    await bucket.delete('job/1/id+1');
    expect(await bucket.size('job/1/id+1')).toBeUndefined();
  });
});

it('a server that is full is named as what to look at, and what it had taken is whole', async () => {
  await using full = await SeaweedFs.start(3);
  await using artifacts = s3ArtifactStore({ ...full.options, attempts: 2, partSize: 5 * mebibyte });
  const session = await artifacts.open(lease, journal());
  const big = pattern(20 * mebibyte);
  const stored: string[] = [];
  const storeAll = async () => {
    // Three volumes of 64 MB, and a little more than each should have.
    for (let n = 0; n < 20; n++) {
      await all(session.add(each([source(`big${n}`, big)]), scope()));
      stored.push(`big${n}`);
    }
  };
  await expect(storeAll()).rejects.toMatchObject({
    code: 'RITMO_ARTIFACT_UPLOAD',
    retryable: true,
    message: expect.stringContaining('The S3 server failed, and does not say at what (InternalError).'),
    hint: 'Look into its log, and at its disk: some servers say no more when it is full.',
  });
  expect(stored.length).toBeGreaterThan(2);
  await using bucket = new Bucket(settingsOf(full.options));
  const body = await bucket.get(`job1/3/out/${stored.at(-1)}`, signal);
  expect(sha256(Buffer.concat(await all(body ?? each([]))))).toBe(sha256(big));
});

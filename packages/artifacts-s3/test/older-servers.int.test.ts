import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bucket } from '../src/client.js';
import { s3ArtifactStore, s3CacheStore, s3ServerBucket } from '../src/index.js';
import { settingsOf } from '../src/options.js';
import { errorXml, refuse, S3Server, type SeenRequest } from './support/s3-server.js';
import { all, each, journal, lease, pattern, scope, sha256, source } from './support/sources.js';

const mebibyte = 1024 ** 2;
const { signal } = new AbortController();
let server: S3Server;
let refused: string[];

/** What came after 2020: checksums, in headers, behind a body, or in a signed address. */
const isNew = ({ headers, query }: SeenRequest) =>
  [...Object.keys(headers), ...query.keys()].some((name) => /^x-amz-(checksum|sdk-checksum|trailer)/i.test(name)) ||
  'trailer' in headers ||
  String(headers['content-encoding']).includes('aws-chunked') ||
  String(headers['x-amz-content-sha256']).startsWith('STREAMING-');

beforeEach(async () => {
  server = await S3Server.start();
  refused = [];
  server.faults.push((seen, request, response) => {
    if (!isNew(seen)) return false;
    refused.push(`${seen.method} ${seen.path}`);
    request.resume();
    response.writeHead(501, { 'Content-Type': 'application/xml' }).end(errorXml('NotImplemented'));
    return true;
  });
});
afterEach(() => server[Symbol.asyncDispose]());

describe('a server that is older than checksums', () => {
  it('is asked for none by artifacts: whole, in parts, copied, and sent again by the SDK', async () => {
    const big = pattern(11 * mebibyte);
    await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte });
    server.faults.push(refuse(503, 'SlowDown', 1, ({ path }) => path.endsWith('/small')));
    server.faults.push(refuse(503, 'SlowDown', 1, ({ query }) => query.get('partNumber') === '2'));
    for (const jobId of ['first', 'second']) {
      const session = await artifacts.open({ ...lease, jobId }, journal(), 'web');
      const refs = await all(session.add(each([source('small', 'x'), source('big', big)]), scope()));
      await session.commit();
      expect(refs).toHaveLength(2);
    }
    await using bucket = new Bucket(settingsOf(server.options));
    const stored = await bucket.get('second/3/out/big', signal);
    expect(sha256(Buffer.concat(await all(stored ?? each([]))))).toBe(sha256(big));
    expect(server.count('PUT', 'partNumber')).toBe(4);
    expect(refused).toEqual([]);
  });

  it('is asked for none by caches: found, saved, read and removed', async () => {
    const dayMs = 24 * 60 * 60_000;
    let later = 0;
    const limits = { maxAgeMs: 3 * dayMs, now: () => Date.now() + later };
    await using caches = s3CacheStore(server.options, limits);
    await caches.save('web', 'small', () => each([Buffer.from('x')]), signal);
    await caches.save('web', 'big', () => each([pattern(17 * mebibyte), pattern(1)]), signal);
    later = 2 * dayMs;
    const found = await caches.find({ scope: 'web', key: 'none', prefixes: ['sm'] }, signal);
    expect(await all(found?.read(signal) ?? each([]))).toHaveLength(1);
    later = 9 * dayMs;
    await caches.save('web', 'new', () => each([Buffer.from('y')]), signal);
    expect(await caches.find({ scope: 'web', key: 'big', prefixes: [] }, signal)).toBeUndefined();
    expect(refused).toEqual([]);
  });

  it('is asked for none by those who hold a URL', async () => {
    await using bucket = s3ServerBucket(server.options);
    await bucket.check(signal);
    const { url, headers } = await bucket.putTarget('job/1/a', 'text/plain');
    expect((await fetch(url, { method: 'PUT', body: 'hello', headers })).status).toBe(200);
    const uploadId = await bucket.begin('job/1/b', 'text/plain');
    const [target] = await bucket.partTargets('job/1/b', uploadId, 1);
    const part = await fetch(target?.url ?? '', { method: 'PUT', body: 'part' });
    await bucket.complete('job/1/b', uploadId, [part.headers.get('etag') ?? '']);
    expect(await bucket.size('job/1/b')).toBe(4);
    expect(refused).toEqual([]);
  });
});

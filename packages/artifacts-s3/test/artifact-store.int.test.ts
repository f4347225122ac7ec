import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactSource, JsonStore } from '@ritmo/agent-core';
import { Bucket } from '../src/client.js';
import { manifest, s3ArtifactStore, type S3Options } from '../src/index.js';
import { settingsOf } from '../src/options.js';
import { errorXml, refuse, S3Server } from './support/s3-server.js';
import { all, each, journal, lease, pattern, scope, sha256, source } from './support/sources.js';

const mebibyte = 1024 ** 2;
let server: S3Server;

beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

async function store(sources: Iterable<ArtifactSource>, options: Partial<S3Options> = {}, kept: JsonStore = journal()) {
  await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte, ...options });
  const session = await artifacts.open(lease, kept);
  let sent = 0;
  try {
    const refs = await all(
      session.add(
        each(sources),
        scope(undefined, (bytes) => void (sent += bytes)),
      ),
    );
    await session.commit();
    return { refs, sent };
  } catch (error) {
    await session.abort();
    throw error;
  }
}

async function bytesOf(key: string): Promise<Buffer> {
  await using bucket = new Bucket(settingsOf(server.options));
  const body = await bucket.get(key, new AbortController().signal);
  return Buffer.concat(body === undefined ? [] : await all(body));
}

const isPart = ({ method, query }: { method: string; query: URLSearchParams }) =>
  method === 'PUT' && query.has('partNumber');

describe('artifacts in a bucket', () => {
  it('are objects under job, attempt, name and path, with a list of what is whole written last', async () => {
    const big = pattern(12 * mebibyte + 7);
    const files = [
      source('report.html', '<p>'),
      source('dist/big', big, { mode: 0o755 }),
      source('empty', ''),
      source('latest', '', { linkTarget: 'dist/big' }),
    ];
    const { refs, sent } = await store(files, { prefix: 'ci' });
    expect(refs.find(({ path }) => path === 'dist/big')).toEqual({
      name: 'out',
      path: 'dist/big',
      uri: 's3://builds/ci/job1/3/out/dist/big',
      size: big.length,
      sha256: sha256(big),
    });
    expect((await bytesOf('ci/job1/3/out/dist/big')).equals(big)).toBe(true);
    expect((await bytesOf('ci/job1/3/out/report.html')).toString()).toBe('<p>');
    const list = manifest.parse(JSON.parse((await bytesOf('ci/job1/3/ritmo-artifacts.json')).toString()));
    expect(list.files.map(({ path, key, linkTarget }) => [path, key ?? linkTarget])).toEqual([
      ['dist/big', 'ci/job1/3/out/dist/big'],
      ['empty', 'ci/job1/3/out/empty'],
      ['latest', 'dist/big'],
      ['report.html', 'ci/job1/3/out/report.html'],
    ]);
    expect(server.seen.findLast(({ method }) => method !== 'GET')?.path).toBe('/builds/ci/job1/3/ritmo-artifacts.json');
    expect(sent).toBe(big.length + 3);
    expect(files.map(({ released }) => released)).toEqual([1, 1, 1, 1]);
  });

  it('are read once each, and the signature covers the bytes of every request', async () => {
    const files = [source('small', 'hello'), source('big', pattern(11 * mebibyte))];
    await store(files);
    expect(files.map(({ bytesRead, size }) => bytesRead - size)).toEqual([0, 0]);
    const puts = server.seen.filter(({ method }) => method === 'PUT');
    expect(puts.map(({ headers }) => headers['x-amz-content-sha256'])).toContain(sha256('hello'));
    expect(puts.every(({ headers }) => /^[0-9a-f]{64}$/.test(String(headers['x-amz-content-sha256'])))).toBe(true);
    expect(
      puts.some(({ headers }) => 'x-amz-checksum-crc32' in headers || 'x-amz-sdk-checksum-algorithm' in headers),
    ).toBe(false);
  });

  it('lie where a source reads them to, and are copied where it does not', async () => {
    const big = pattern(11 * mebibyte);
    let given = 0;
    const into = source('into', big, {
      async *read(start = 0, end = big.length, into?: Uint8Array) {
        given += into?.length ?? 0;
        into?.set(big.subarray(start, end));
        for (let at = 0; at < end - start; at += 700_000)
          yield into?.subarray(at, Math.min(end - start, at + 700_000)) ?? big.subarray(start, end);
      },
    });
    await store([into, source('copied', big)]);
    expect(given).toBe(big.length);
    for (const name of ['into', 'copied']) expect((await bytesOf(`job1/3/out/${name}`)).equals(big)).toBe(true);
  });

  it('carry what the operator set: storage class, encryption, and the days after which a rule may remove them', async () => {
    const options = { storageClass: 'STANDARD_IA', encryption: 'AES256', tags: true } as const;
    const hours = 60 * 60_000;
    await store([source('kept', 'x', { expireInMs: 30 * hours })], options);
    const put = server.seen.find(({ path }) => path.endsWith('/kept'));
    expect(put?.headers).toMatchObject({
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-tagging': 'ritmo-expire-days=2',
      'x-amz-meta-ritmo-sha256': sha256('x'),
    });
  });

  it('never meet in one key, whatever their names', async () => {
    const { refs } = await store([
      source('b', '1', { name: 'a' }),
      source('b/c', '2', { name: 'a' }),
      source('c', '3', { name: 'a/b' }),
      source('c', '4', { name: 'a%2Fb' }),
      source('näme with\nnewline +&?', '5'),
    ]);
    expect(new Set(refs.map(({ uri }) => uri)).size).toBe(5);
    expect((await bytesOf('job1/3/out/näme with\nnewline +&?')).toString()).toBe('5');
  });

  it('share one bound of requests between files and parts', async () => {
    let now = 0;
    let most = 0;
    server.faults.push((_seen, _request, response) => {
      most = Math.max(most, ++now);
      response.once('close', () => now--);
      return false;
    });
    await store(
      [source('big', pattern(30 * mebibyte)), ...Array.from({ length: 40 }, (_, n) => source(`f${n}`, String(n)))],
      { parallel: 3 },
    );
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(3);
  });
});

describe('an upload that is disturbed', () => {
  it('repeats the one part that was refused, and no other', async () => {
    const big = pattern(20 * mebibyte);
    server.faults.push(refuse(503, 'SlowDown', 2, (seen) => isPart(seen) && seen.query.get('partNumber') === '2'));
    const { refs } = await store([source('big', big)]);
    expect(refs[0]?.sha256).toBe(sha256(big));
    expect((await bytesOf('job1/3/out/big')).equals(big)).toBe(true);
    const numbers = server.seen.filter(isPart).map(({ query }) => query.get('partNumber'));
    expect(numbers.toSorted((a, b) => Number(a) - Number(b))).toEqual(['1', '2', '2', '2', '3', '4']);
  });

  it('repeats a part whose connection was cut in half', async () => {
    const big = pattern(12 * mebibyte);
    let cuts = 2;
    server.faults.push((seen, request) => {
      if (!isPart(seen) || cuts === 0) return false;
      cuts -= 1;
      request.once('data', () => request.socket.destroy());
      return true;
    });
    await store([source('big', big)]);
    expect((await bytesOf('job1/3/out/big')).equals(big)).toBe(true);
    expect(cuts).toBe(0);
  });

  it('leaves no unfinished multipart upload when it is given up, and lists nothing', async () => {
    server.faults.push(refuse(403, 'AccessDenied', 1, (seen) => seen.query.get('partNumber') === '2'));
    const file = source('big', pattern(20 * mebibyte));
    await expect(store([file])).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_UPLOAD', retryable: false });
    expect(server.count('POST', 'uploads')).toBe(1);
    expect(await server.unfinished()).toEqual([]);
    expect((await bytesOf('job1/3/ritmo-artifacts.json')).length).toBe(0);
    expect(file.released).toBe(1);
  });

  it('leaves none when the job is aborted in its middle', async () => {
    const abort = new AbortController();
    server.faults.push((seen) => {
      if (seen.query.get('partNumber') === '2') abort.abort(new Error('cancelled'));
      return false;
    });
    await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte, parallel: 2 });
    const kept = journal();
    const session = await artifacts.open(lease, kept);
    const files = each([source('big', pattern(30 * mebibyte))]);
    await expect(all(session.add(files, scope(abort.signal)))).rejects.toThrow('cancelled');
    await session.abort();
    expect(server.count('POST', 'uploads')).toBe(1);
    expect(await server.unfinished()).toEqual([]);
    expect(kept.values).toEqual({ s3: { uploads: {}, whole: {} } });
  });

  it('is ended by an agent that finds it in the journal of one that died', async () => {
    const kept = journal();
    server.faults.push(refuse(403, 'AccessDenied', 1, (seen) => seen.query.get('partNumber') === '3'));
    await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte });
    const died = await artifacts.open(lease, kept);
    const files = each([source('big', pattern(20 * mebibyte))]);
    await expect(all(died.add(files, scope()))).rejects.toThrow('refuses the credentials');
    expect(await server.unfinished()).toHaveLength(1);
    await (await artifacts.open(lease, kept)).abort();
    expect(await server.unfinished()).toEqual([]);
  });
});

describe('an upload that goes on after a restart', () => {
  it('sends only the parts that the journal does not have', async () => {
    const kept = journal();
    const big = pattern(40 * mebibyte);
    server.faults.push(refuse(403, 'AccessDenied', 1, (seen) => seen.query.get('partNumber') === '7'));
    await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte, parallel: 1 });
    const died = await artifacts.open(lease, kept);
    await expect(all(died.add(each([source('big', big)]), scope()))).rejects.toThrow('refuses the credentials');
    const { uploads } = kept.values['s3'] as { uploads: Record<string, { parts: object }> };
    const had = Object.keys(Object.values(uploads)[0]?.parts ?? {}).length;
    expect(had).toBeGreaterThan(0);
    const before = server.seen.filter(isPart).length;
    const { refs } = await store([source('big', big)], {}, kept);
    expect(server.seen.filter(isPart).length - before).toBe(8 - had);
    expect(server.count('POST', 'uploads')).toBe(1);
    expect(refs[0]?.sha256).toBe(sha256(big));
    expect((await bytesOf('job1/3/out/big')).equals(big)).toBe(true);
    expect(await server.unfinished()).toEqual([]);
  });

  it('sends nothing of a file that was whole, unless it changed', async () => {
    const kept = journal();
    const big = pattern(20 * mebibyte);
    const first = await store([source('big', big)], { partSize: 5 * mebibyte }, kept);
    const before = server.seen.filter(isPart).length;
    const again = await store([source('big', big)], { partSize: 5 * mebibyte }, kept);
    expect(again.refs).toEqual(first.refs);
    expect(server.seen.filter(isPart).length).toBe(before);
    const other = Buffer.from(big).fill(7, 100, 200);
    const changed = await store([source('big', other)], { partSize: 5 * mebibyte }, kept);
    expect(changed.refs[0]?.sha256).toBe(sha256(other));
    expect(server.seen.filter(isPart).length).toBe(before + 4);
  });

  it('sends parts again whose bytes are others by now', async () => {
    const kept = journal();
    server.faults.push(refuse(403, 'AccessDenied', 1, (seen) => seen.query.get('partNumber') === '4'));
    await using artifacts = s3ArtifactStore({ ...server.options, partSize: 5 * mebibyte, parallel: 1 });
    const died = await artifacts.open(lease, kept);
    await expect(all(died.add(each([source('big', pattern(20 * mebibyte))]), scope()))).rejects.toThrow(
      'refuses the credentials',
    );
    const other = pattern(20 * mebibyte, 2);
    await store([source('big', other)], {}, kept);
    expect((await bytesOf('job1/3/out/big')).equals(other)).toBe(true);
  });
});

describe('what is wrong is said with a code, a sentence and a hint', () => {
  it.each([
    ['a bucket that is not there', { bucket: 'nowhere' }, 'The bucket nowhere is not there.', false],
    [
      'wrong credentials',
      { credentials: { accessKeyId: 'WRONG', secretAccessKey: 'wrong' } },
      'The S3 server refuses the credentials for the bucket builds.',
      false,
    ],
    [
      'an endpoint where nothing listens',
      { endpoint: 'http://127.0.0.1:1', attempts: 1 },
      'The S3 server does not answer: ECONNREFUSED.',
      true,
    ],
  ] as const)('for %s', async (_name, options, message, retryable) => {
    const problem = store([source('a', 'x')], options);
    await expect(problem).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: `a could not be stored: ${message}`,
      retryable,
      hint: expect.stringMatching(/^[A-Z].+\.$/),
    });
  });

  it.each([
    [503, 'SlowDown', 'takes no more requests now', true],
    [500, 'InternalError', 'failed, and does not say at what', true],
    [507, 'XMinioStorageFull', 'The disk of the S3 server is full', true],
    [403, 'RequestTimeTooSkewed', 'The clocks of this machine and of the S3 server differ', true],
    [400, 'EntityTooLarge', 'larger than the S3 server takes', false],
    [403, 'QuotaExceeded', 'quota of the bucket builds is used up', true],
    [501, 'NotImplemented', 'does not know what it is asked for (501, NotImplemented)', false],
    [418, 'Teapot', 'answered 418 (Teapot)', false],
  ])('for %i %s of the server', async (status, code, words, retryable) => {
    server.faults.push(refuse(status, code, 99));
    await expect(store([source('a', 'x')], { attempts: 1 })).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: expect.stringContaining(words),
      retryable,
      hint: expect.stringMatching(/./),
    });
  });

  it('for a server that keeps other bytes, where files are to be verified', async () => {
    const big = pattern(11 * mebibyte);
    expect((await store([source('a', 'x'), source('big', big)], { verify: true })).refs).toHaveLength(2);
    server.faults.push(({ method, path }, _request, response) => {
      const asked = method === 'GET' && path.endsWith('/b');
      if (asked) response.writeHead(200).end('y');
      return asked;
    });
    await expect(store([source('b', 'x')], { verify: true })).rejects.toMatchObject({
      message: 'b came back from the bucket with other bytes.',
      hint: expect.stringContaining('changes bytes'),
    });
    expect(server.count('DELETE')).toBe(1);
  });

  it('for a server that takes connections and answers nothing, after each try', async () => {
    let asked = 0;
    server.faults.push((_seen, request) => {
      asked += 1;
      request.resume();
      return true;
    });
    await expect(store([source('a', 'x')], { attempts: 2, silence: 200 })).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: 'a could not be stored: The S3 server takes connections, and answers nothing.',
      retryable: true,
      hint: expect.stringContaining('silence='),
    });
    expect(asked).toBeGreaterThanOrEqual(2);
  });

  it('but not for one that is slow: that is waited for, and asked once', async () => {
    server.faults.push((_seen, request, response) => {
      request.resume();
      request.once('end', () => setTimeout(() => response.writeHead(200, { ETag: '"1"' }).end(), 150));
      return true;
    });
    await store([source('a', 'x'), source('b', 'y')], { silence: 5_000 });
    expect(server.count('PUT')).toBe(3);
  });

  it('but not for a clock that is wrong: that of the server is taken, once it is known', async () => {
    const hourMs = 3_600_000;
    let refused = 0;
    server.faults.push((seen, asked, response) => {
      const stamp = String(seen.headers['x-amz-date']);
      const time = Date.parse(stamp.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
      const now = Date.now() + hourMs;
      asked.resume();
      if (Math.abs(now - time) < hourMs / 4) {
        response.writeHead(200, { ETag: '"1"' }).end();
        return true;
      }
      refused += 1;
      const headers = { 'Content-Type': 'application/xml', Date: new Date(now).toUTCString() };
      response.writeHead(403, headers).end(errorXml('RequestTimeTooSkewed'));
      return true;
    });
    const { refs } = await store([source('a', 'x'), source('b', 'y'), source('c', 'z')], { parallel: 1 });
    expect(refs).toHaveLength(3);
    expect(refused).toBe(1);
  });

  it('for a file that changes while it is read, without a repeat', async () => {
    const files = [source('a', 'hello', { size: 9 })];
    await expect(store(files)).rejects.toMatchObject({ message: 'a shrank while it was read.', retryable: false });
    expect(server.count('PUT')).toBe(0);
  });
});

it('takes credentials from a file in the form of AWS', async () => {
  const { credentials: _, ...options } = server.options;
  const file = `${server.directory}/credentials`;
  const { writeFile } = await import('node:fs/promises');
  await writeFile(file, '[ci]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n');
  await using artifacts = s3ArtifactStore({ ...options, credentialsFile: file, profile: 'ci' });
  const session = await artifacts.open(lease, journal());
  expect(await all(session.add(each([source('a', 'x')]), scope()))).toHaveLength(1);
  expect((await readFile(file, 'utf8')).startsWith('[ci]')).toBe(true);
});

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArtifactSource } from '@ritmo/agent-core';
import { Bucket } from '../src/client.js';
import { hashedBytes } from '../src/hashed-body.js';
import { s3ArtifactStore } from '../src/index.js';
import { settingsOf } from '../src/options.js';
import { refuse, S3Server, type SeenRequest } from './support/s3-server.js';
import { all, each, journal, lease, pattern, scope, sha256, source } from './support/sources.js';

const mebibyte = 1024 ** 2;
let server: S3Server;

beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

async function store(file: ArtifactSource, project: string | undefined, key?: string) {
  const options = { ...server.options, partSize: 5 * mebibyte, ...(key === undefined ? {} : { key }) };
  await using artifacts = s3ArtifactStore(options);
  const session = await artifacts.open(lease, journal(), project);
  let sent = 0;
  const told = scope(undefined, (bytes) => void (sent += bytes));
  const refs = await all(session.add(each([file]), told));
  await session.commit();
  return { refs, sent };
}

async function bytesOf(key: string): Promise<Buffer> {
  await using bucket = new Bucket(settingsOf(server.options));
  const body = await bucket.get(key, new AbortController().signal);
  return Buffer.concat(body === undefined ? [] : await all(body));
}

describe('large files that a build of the same project has stored', () => {
  const parts = () => server.count('PUT', 'partNumber');
  const big = pattern(12 * mebibyte);
  const again = (content: Buffer, project: string | undefined, key = '{job}/{attempt}/again/{name}/{path}') =>
    store(source('copy', content), project, key);

  it('are copied by the server, and nothing of them is sent', async () => {
    await store(source('big', big), 'web');
    const before = parts();
    const { refs, sent } = await again(big, 'web');
    expect(parts()).toBe(before);
    expect(refs).toMatchObject([{ path: 'copy', size: big.length, sha256: sha256(big) }]);
    expect(sent).toBe(big.length);
    expect((await bytesOf('job1/3/again/out/copy')).equals(big)).toBe(true);
    expect(await server.unfinished()).toEqual([]);
  });

  it('are sent where another project has them, nobody says whose they are, or their bytes are others', async () => {
    await store(source('big', big), 'web');
    for (const [content, project] of [
      [big, 'shop'],
      [big, undefined],
      [pattern(12 * mebibyte, 2), 'web'],
    ] as const) {
      const before = parts();
      await again(content, project);
      expect(parts() - before).toBe(3);
      expect((await bytesOf('job1/3/again/out/copy')).equals(content)).toBe(true);
    }
  });

  it('are sent where the object is gone by now, or is another one', async () => {
    await store(source('big', big), 'web');
    await using bucket = new Bucket(settingsOf(server.options));
    const { signal } = new AbortController();
    await bucket.put('job1/3/out/big', hashedBytes(Buffer.from('x'), sha256('x')), {}, signal);
    const before = parts();
    await again(big, 'web');
    expect(parts() - before).toBe(3);
    await bucket.delete('job1/3/again/out/copy', signal);
    await again(big, 'web', '{job}/{attempt}/third/{name}/{path}');
    expect(parts() - before).toBe(6);
  });

  it('are read once where the project has none of their size', async () => {
    const file = source('big', big);
    await store(file, 'web');
    expect(file.bytesRead).toBe(big.length);
  });

  it.each([
    ['list', 403, 'AccessDenied', ({ query }: SeenRequest) => query.has('list-type')],
    ['copy', 501, 'NotImplemented', ({ headers }: SeenRequest) => 'x-amz-copy-source' in headers],
    [
      'take notes',
      403,
      'AccessDenied',
      ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('contents/'),
    ],
  ])('are sent to a server that refuses to %s', async (_what, status, code, matches) => {
    await store(source('big', big), 'web');
    server.faults.push(refuse(status, code, 99, matches));
    const { refs, sent } = await again(big, 'web');
    expect(refs).toMatchObject([{ sha256: sha256(big) }]);
    expect(sent).toBe(big.length);
    expect((await bytesOf('job1/3/again/out/copy')).equals(big)).toBe(true);
  });
});

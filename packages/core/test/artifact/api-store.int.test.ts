import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type ArtifactSource, apiArtifactStore, type JsonStore } from '../../src/artifact/index.js';
import { artifactIdOf } from '../../src/artifact/api-store.js';
import { LocalTransport } from '../../src/transport/index.js';
import { page, refusal, reset } from '../transport/fake-server.js';
import { aJob, fastClock, lease, memoryLog, transportTo } from '../transport/support.js';
import { type ArtifactServer, artifactServer } from './artifact-server.js';
import { all, each, noResume, sha256, source } from './support.js';

async function store(
  server: ArtifactServer,
  sources: Iterable<ArtifactSource>,
  parallel = 6,
  resume: JsonStore = noResume,
) {
  const clock = fastClock();
  const log = memoryLog();
  await using transport = transportTo(server, { clock, log });
  const session = await apiArtifactStore(transport, { parallel, clock }).open(lease, resume);
  let sent = 0;
  const scope = { signal: new AbortController().signal, progress: (bytes: number) => void (sent += bytes) };
  const refs = await all(session.add(each(sources), scope));
  await session.commit();
  return { refs, sent, log };
}

describe('artifacts sent to the API server', () => {
  it('are announced, sent once each and completed with the hash that was taken on the way', async () => {
    await using server = await artifactServer();
    const big = Buffer.alloc(1_000_000, 'abc');
    const files = [
      source('report.html', '<p>'),
      source('dist/big', big, { mode: 0o755 }),
      source('empty', ''),
      source('link', '', { linkTarget: 'dist/big' }),
    ];
    const { refs, sent } = await store(server, files);
    const ids = files.map(({ path }) => artifactIdOf(lease, 'out', path));
    expect([...server.planned.values()]).toMatchObject([
      { artifactId: ids[0], path: 'report.html', size: 3, contentType: 'text/html', mode: 0o644 },
      { artifactId: ids[1], path: 'dist/big', size: 1_000_000, mode: 0o755 },
      { path: 'empty' },
      { path: 'link', linkTarget: 'dist/big' },
    ]);
    expect(server.bodies.get(`/v1/jobs/job1/artifacts/${ids[1]}/content`)?.equals(big)).toBe(true);
    expect(server.completed.get(ids[1] ?? '')).toMatchObject({ sha256: sha256(big), epoch: 3 });
    expect(server.completed.size).toBe(2);
    expect(refs).toHaveLength(4);
    expect(refs.find(({ path }) => path === 'dist/big')).toEqual({
      name: 'out',
      path: 'dist/big',
      uri: `/v1/jobs/job1/artifacts/${ids[1]}`,
      size: 1_000_000,
      sha256: sha256(big),
    });
    expect(sent).toBe(1_000_003);
    expect(files.map((file) => file.reads)).toEqual([1, 1, 0, 0]);
    expect(files.map((file) => file.released)).toEqual([1, 1, 1, 1]);
    const put = server.seen.find((seen) => seen.method === 'PUT');
    expect(put?.headers).toMatchObject({
      authorization: 'Bearer job-token',
      'ritmo-epoch': '3',
      'content-length': expect.any(String),
    });
  });

  it('are not sent where the server has them: those of a known size are asked about with their sha256', async () => {
    await using server = await artifactServer();
    const plain = server.plan;
    server.plan = (file) => {
      if (file.sha256 === sha256('known')) return { artifactId: file.artifactId, stored: true };
      return { ...plain(file), ...(file.size === 5 && file.sha256 === undefined && { known: true }) };
    };
    const files = [source('a', 'known'), source('b', 'other'), source('c', 'longer')];
    const { refs } = await store(server, files);
    expect(refs.map((ref) => ref.sha256).toSorted()).toEqual(['known', 'other', 'longer'].map(sha256).toSorted());
    expect(server.completed.size).toBe(2);
    expect(server.seen.filter((seen) => seen.method === 'PUT')).toHaveLength(2);
    const plans = server.seen.filter((seen) => seen.url.endsWith('/artifacts'));
    expect(plans.map((seen) => JSON.parse(String(seen.body)).length)).toEqual([3, 2]);
    expect(files[2]?.reads).toBe(1);
  });

  it('go in batches of at most 500, and the first is on its way before the last is collected', async () => {
    await using server = await artifactServer();
    let putsBeforeEnd = 0;
    function* files() {
      for (let n = 0; n < 1200; n++) {
        if (n === 1199) putsBeforeEnd = server.bodies.size;
        yield source(`f${n}`, String(n));
      }
    }
    const { refs } = await store(server, files());
    expect(refs).toHaveLength(1200);
    expect(server.completed.size).toBe(1200);
    const plans = server.seen.filter((seen) => seen.url.endsWith('/artifacts'));
    expect(plans.map((seen) => JSON.parse(String(seen.body)).length)).toEqual([500, 500, 200]);
    expect(putsBeforeEnd).toBeGreaterThan(400);
  });

  it.each([
    ['a reset', reset],
    ['a page of a proxy', page(502)],
    ['a 503 of ours', refusal(503, 'RITMO_UNAVAILABLE', { retryable: true })],
  ])('are sent again after %s, each from its beginning', async (_name, fault) => {
    await using server = await artifactServer();
    server.puts.push(fault, fault, fault);
    const files = [source('a', 'x'.repeat(200_000)), source('b', 'y')];
    const { refs } = await store(server, files);
    expect(refs.map(({ sha256: hash }) => hash).toSorted()).toEqual(
      [sha256('x'.repeat(200_000)), sha256('y')].toSorted(),
    );
    expect(server.completed.size).toBe(2);
    expect(files.map((file) => file.released)).toEqual([1, 1]);
  });

  it('are given up with a code and a sentence when the store never takes them', async () => {
    await using server = await artifactServer();
    server.puts.push(...Array.from({ length: 50 }, () => page(507)));
    const files = [source('a', 'x')];
    await expect(store(server, files)).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: 'a could not be stored: The store answered 507.',
      retryable: true,
    });
    expect(files[0]?.released).toBe(1);
    expect(server.completed.size).toBe(0);
  });

  it('are not sent again when the server says no', async () => {
    await using server = await artifactServer();
    server.puts.push(refusal(413, 'RITMO_TOO_LARGE'));
    const files = [source('a', 'x'), source('b', 'y')];
    await expect(store(server, files, 1)).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_UPLOAD', retryable: false });
    expect(server.seen.filter((seen) => seen.method === 'PUT')).toHaveLength(1);
    expect(files.map((file) => file.released)).toEqual([1, 1]);
  });

  it('of a job that is over end with RITMO_FENCED', async () => {
    await using server = await artifactServer();
    server.puts.push(refusal(409, 'RITMO_FENCED'));
    await expect(store(server, [source('a', 'x')])).rejects.toMatchObject({ code: 'RITMO_FENCED' });
  });

  it('that change while they are read are an error, and no repeat', async () => {
    await using server = await artifactServer();
    const files = [source('a', 'hello', { size: 9 })];
    await expect(store(server, files)).rejects.toMatchObject({
      message: expect.stringMatching(/a shrank while it was read/),
      retryable: false,
    });
    expect(files[0]?.reads).toBe(1);
    expect(server.completed.size).toBe(0);
  });

  it('are hashed all the same where the server has them already', async () => {
    await using server = await artifactServer();
    server.plan = ({ artifactId }) => ({ artifactId, stored: true });
    const { refs } = await store(server, [source('a', 'hello')]);
    expect(refs).toMatchObject([{ sha256: sha256('hello') }]);
    expect(server.completed.size).toBe(0);
  });

  it('are refused where the server names a way that the agent does not know', async () => {
    await using server = await artifactServer();
    server.plan = ({ artifactId }) => ({ artifactId, pigeon: true }) as never;
    await expect(store(server, [source('a', 'hello')])).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      retryable: false,
    });
  });
});

describe('artifacts sent to where the server points', () => {
  it('go in parts, several at once, with no token and no mention in the log', async () => {
    await using server = await artifactServer();
    await using bucket = await artifactServer();
    const urls = [1, 2, 3].map((n) => `http://${bucket.address}/bucket/key?part=${n}&signature=sig`);
    server.plan = ({ artifactId }) => ({
      artifactId,
      parts: { partSize: 100_000, targets: urls.map((url) => ({ url, headers: { 'x-amz-thing': 'y' } })) },
    });
    bucket.puts.push(page(503));
    const content = Buffer.alloc(250_000, 'part');
    const file = source('a', content);
    const { refs, log } = await store(server, [file]);
    expect(
      Buffer.concat(urls.map((url) => bucket.bodies.get(url.slice(url.indexOf('/bucket'))) ?? Buffer.of())).equals(
        content,
      ),
    ).toBe(true);
    expect(refs).toMatchObject([{ sha256: sha256(content) }]);
    // The bucket of the test gives them numbers in the order in which they arrive.
    const arrived = [...bucket.bodies.keys()];
    const etags = urls.map((url) => `"${arrived.indexOf(url.slice(url.indexOf('/bucket'))) + 1}"`);
    expect([...server.completed.values()]).toMatchObject([{ sha256: sha256(content), etags }]);
    expect(bucket.seen).toHaveLength(4);
    for (const { headers } of bucket.seen) {
      expect(headers).toMatchObject({ 'x-amz-thing': 'y' });
      expect(headers.authorization).toBeUndefined();
      expect(headers['ritmo-epoch']).toBeUndefined();
    }
    expect(log.lines.join()).not.toContain('sig');
  });

  it('are sent anew as a whole when the store did not keep what was sent', async () => {
    await using server = await artifactServer();
    await using bucket = await artifactServer();
    server.plan = ({ artifactId }) => ({
      artifactId,
      parts: {
        partSize: 100_000,
        targets: [1, 2, 3].map((n) => ({ url: `http://${bucket.address}/${n}`, headers: {} })),
      },
    });
    const takes = server.otherwise;
    let refused = 0;
    server.otherwise = (seen, response, socket) => {
      const damaged = seen.url.endsWith('/complete') && refused++ === 0;
      return (damaged ? refusal(412, 'RITMO_ARTIFACT_UPLOAD', { retryable: true }) : takes)(seen, response, socket);
    };
    const content = Buffer.alloc(250_000, 'part');
    const { refs } = await store(server, [source('a', content)]);
    expect(refs).toMatchObject([{ sha256: sha256(content) }]);
    expect(bucket.seen).toHaveLength(6);
  });

  it.each([
    [507, 'XMinioStorageFull', 'Make room in the bucket', 12],
    [403, 'RequestTimeTooSkewed', 'Set the clock of the API server', 12],
    [503, 'SlowDown', 'run fewer workers', 12],
    [500, 'InternalError', 'log of the store, and at its disk', 12],
    [403, 'AccessDenied', 'credentials and the policy', 1],
    [403, 'InvalidAccessKeyId', 'credentials and the policy', 1],
    [403, 'SignatureDoesNotMatch', 'credentials and the policy', 1],
    [404, 'NoSuchBucket', 'make its bucket', 1],
    [400, 'EntityTooLarge', 'Split the file', 1],
    [501, 'NotImplemented', 'leave out what the store does not know', 1],
  ])(
    'that are refused with %i %s say what to do, and are repeated where that may help',
    async (status, code, hint, tries) => {
      await using server = await artifactServer();
      await using bucket = await artifactServer();
      server.plan = ({ artifactId }) => ({ artifactId, upload: { url: `http://${bucket.address}/x`, headers: {} } });
      bucket.puts.push(
        ...Array.from({ length: 50 }, () => (_seen: unknown, response: ServerResponse) => {
          response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
        }),
      );
      await expect(store(server, [source('a', 'x')])).rejects.toMatchObject({
        message: `a could not be stored: The store answered ${status} (${code}).`,
        hint: expect.stringContaining(hint),
      });
      expect(bucket.seen).toHaveLength(tries);
    },
  );

  it('get a new address when theirs has expired, and no error names an address', async () => {
    await using server = await artifactServer();
    await using bucket = await artifactServer();
    let plans = 0;
    server.plan = ({ artifactId }) => ({
      artifactId,
      upload: { url: `http://${bucket.address}/x?signature=${++plans}`, headers: {} },
    });
    const expired = (count: number, answer = '<Error><Code>ExpiredToken</Code></Error>') =>
      Array.from({ length: count }, () => (_seen: unknown, response: ServerResponse) => {
        response.writeHead(403).end(answer);
      });
    bucket.puts.push(...expired(1));
    await store(server, [source('a', 'x')]);
    expect([...bucket.bodies.keys()]).toEqual(['/x?signature=2']);
    bucket.puts.push(...expired(1, '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'));
    await store(server, [source('c', 'x')]);
    expect([...bucket.bodies.keys()].at(-1)).toBe('/x?signature=4');
    bucket.puts.push(...expired(50));
    await expect(store(server, [source('b', 'x')])).rejects.toMatchObject({
      message: 'b could not be stored: The store answered 403 (ExpiredToken).',
    });
  });
});

describe('a store of artifacts', () => {
  it('needs a transport that takes them', async () => {
    await using transport = new LocalTransport({ job: aJob, secrets: {}, onLog: () => undefined });
    expect(() => apiArtifactStore(transport)).toThrow(expect.objectContaining({ code: 'RITMO_USAGE' }));
  });

  it('gives the same id to the same file of the same attempt only', () => {
    const id = artifactIdOf(lease, 'a', 'b');
    expect(id).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(artifactIdOf({ ...lease }, 'a', 'b')).toBe(id);
    const others = [
      artifactIdOf({ ...lease, epoch: 4 }, 'a', 'b'),
      artifactIdOf(lease, 'ab', ''),
      artifactIdOf(lease, 'a', 'c'),
    ];
    expect(new Set([id, ...others]).size).toBe(4);
  });
});

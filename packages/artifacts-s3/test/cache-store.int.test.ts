import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { s3CacheStore, type S3Options } from '../src/index.js';
import { refuse, S3Server } from './support/s3-server.js';
import { all, each, pattern } from './support/sources.js';

const mebibyte = 1024 ** 2;
const signal = new AbortController().signal;
let server: S3Server;

beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

function place(options: Partial<S3Options> = {}) {
  const store = s3CacheStore({ ...server.options, ...options });
  const save = (key: string, content: Uint8Array | string = key, scope = 'project') =>
    store.save(scope, key, () => each([Buffer.from(content)]), signal);
  const find = async (key: string, prefixes: readonly string[] = [], scope = 'project') => {
    const found = await store.find({ scope, key, prefixes }, signal);
    return found && { key: found.key, content: Buffer.concat(await all(found.read(signal))) };
  };
  return { store, save, find, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('caches in a bucket', () => {
  it('are found by key, then by the beginnings of keys, within their scope only', async () => {
    await using caches = place({ prefix: 'ci' });
    await caches.save('npm-linux/a b+c');
    expect((await caches.find('npm-linux/a b+c'))?.content.toString()).toBe('npm-linux/a b+c');
    expect((await caches.find('npm-linux/other', ['go-', 'npm-linux/']))?.key).toBe('npm-linux/a b+c');
    expect(await caches.find('npm-darwin', ['npm-darwin'])).toBeUndefined();
    expect(await caches.find('npm-linux/a b+c', ['npm'], 'project2')).toBeUndefined();
    expect(await caches.find('a', [''], 'proj')).toBeUndefined();
  });

  it('are saved once per key', async () => {
    await using caches = place();
    expect(await caches.save('key', 'first')).toBe(true);
    expect(await caches.save('key', 'second')).toBe(false);
    expect((await caches.find('key'))?.content.toString()).toBe('first');
  });

  it('of any size go in parts, and come back byte for byte', async () => {
    await using caches = place();
    const bytes = pattern(40 * mebibyte + 3);
    const chunks = Array.from({ length: 41 }, (_, n) => bytes.subarray(n * mebibyte, (n + 1) * mebibyte));
    expect(await caches.store.save('project', 'big', () => each(chunks), signal)).toBe(true);
    expect(server.count('PUT', 'partNumber')).toBe(3);
    expect((await caches.find('big'))?.content.equals(bytes)).toBe(true);
  });

  it('are removed once nobody used them for too long, and the longest unused while all are too large', async () => {
    const hourMs = 60 * 60_000;
    let later = 0;
    const limits = { maxAgeMs: 48 * hourMs, maxBytes: 30, now: () => Date.now() + later };
    const save = async (key: string, scope = 'project') => {
      await using caches = s3CacheStore({ ...server.options, prefix: 'ci' }, limits);
      return caches.save(scope, key, () => each([Buffer.alloc(10)]), signal);
    };
    const use = async (key: string) => {
      await using caches = s3CacheStore({ ...server.options, prefix: 'ci' }, limits);
      const found = await caches.find({ scope: 'project', key, prefixes: [] }, signal);
      return found && (await all(found.read(signal))).length;
    };
    const copies = () => server.seen.filter(({ headers }) => 'x-amz-copy-source' in headers).length;
    for (const key of ['a', 'b/ ü', 'c']) await save(key);
    await use('a');
    expect(copies()).toBe(0);
    // The server writes whole seconds down.
    const second = () => Math.floor(Date.now() / 1000);
    for (const begun = second(); second() === begun; ) await new Promise((resolve) => setTimeout(resolve, 20));
    later = 25 * hourMs;
    await use('b/ ü');
    expect(copies()).toBe(1);
    await save('d', 'other');
    expect(await Promise.all(['a', 'b/ ü', 'c'].map(use))).toEqual([undefined, 1, 1]);
    later = 49 * hourMs;
    await save('e');
    expect(await Promise.all(['b/ ü', 'c', 'e'].map(use))).toEqual([undefined, undefined, 1]);
    expect(() => s3CacheStore(server.options, { maxBytes: -1 })).toThrow('maxBytes of the caches');
  });

  it('leave no unfinished upload when their archive fails, and are not there', async () => {
    await using caches = place();
    async function* failing() {
      yield pattern(17 * mebibyte);
      yield pattern(1);
      throw new Error('the sandbox broke');
    }
    await expect(caches.store.save('project', 'key', failing, signal)).rejects.toThrow('the sandbox broke');
    expect(server.count('POST', 'uploads')).toBe(1);
    expect(await server.unfinished()).toEqual([]);
    expect(await caches.find('key')).toBeUndefined();
  });

  it('that the server does not give are an error with a code', async () => {
    await using caches = place({ attempts: 1 });
    server.faults.push(refuse(503, 'SlowDown', 9));
    await expect(caches.find('key')).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_UPLOAD', retryable: true });
  });
});

import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageCache } from '../../src/image/cache.js';

const facts = { uid: 0, gid: 0, home: '/root', env: {}, reference: 'image', verified: false };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-cache-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (bytes: number) => (path: string) => {
  writeFileSync(path, Buffer.alloc(bytes, 1));
  return Promise.resolve(facts);
};

describe('the cache of root filesystems', () => {
  it('finds what was added, and what a machine has shown of it', async () => {
    const cache = new ImageCache(folder, 1_000_000);
    expect(cache.find('sha256:a')).toBeUndefined();
    const added = await cache.add('sha256:a', write(10));
    expect(cache.find('sha256:a')).toEqual(added);
    expect(statSync(added.path).mode & 0o777).toBe(0o400);
    cache.verify('sha256:a');
    expect(new ImageCache(folder, 1_000_000).find('sha256:a')?.facts.verified).toBe(true);
    expect(cache.list()).toHaveLength(1);
  });

  it('keeps nothing of one that failed', async () => {
    const cache = new ImageCache(folder, 1_000_000);
    const failing = cache.add('sha256:a', (path) => {
      writeFileSync(path, 'half');
      return Promise.reject(new Error('the archive broke off'));
    });
    await expect(failing).rejects.toThrow('broke off');
    expect(readdirSync(join(folder, 'images'))).toEqual([]);
  });

  it('lets go what was not used for longest once there is too much, but never what it just added', async () => {
    const cache = new ImageCache(folder, 250_000);
    const [first, second] = [await cache.add('sha256:1', write(100_000)), await cache.add('sha256:2', write(100_000))];
    utimesSync(first.path, 1_000, 1_000);
    utimesSync(second.path, 500, 500);
    cache.find('sha256:1');
    const third = await cache.add('sha256:3', write(100_000));
    expect([first, second, third].map(({ path }) => existsSync(path))).toEqual([true, false, true]);
    const large = await cache.add('sha256:4', write(400_000));
    expect(existsSync(large.path)).toBe(true);
    expect(cache.list()).toHaveLength(1);
  });
});

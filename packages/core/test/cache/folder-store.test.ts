import { readdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FolderCacheOptions, folderCacheStore } from '../../src/index.js';
import { all, each } from '../artifact/support.js';
import { temporaryFolder } from '../support/agent-fixture.js';

const signal = new AbortController().signal;
const day = 24 * 60 * 60_000;

async function place(options: FolderCacheOptions = {}) {
  const dir = await temporaryFolder();
  // Not the time of now, so that what is set by hand is what counts.
  const clock = { ms: Date.parse('2026-03-01T00:00:00Z') };
  const store = folderCacheStore(dir, { minFreeBytes: 0, now: () => clock.ms, ...options });
  const save = (key: string, content = key, scope = 'project') =>
    store.save(scope, key, () => each([Buffer.from(content)]), signal);
  const find = async (key: string, prefixes: readonly string[] = [], scope = 'project') => {
    const found = await store.find({ scope, key, prefixes }, signal);
    return found && { key: found.key, content: Buffer.concat(await all(found.read(signal))).toString() };
  };
  const files = async () => (await readdir(dir, { recursive: true })).filter((name) => name.includes('/')).toSorted();
  return { dir, clock, store, save, find, files };
}

describe('caches in a folder', () => {
  it('are found by their key, then by the beginnings of keys in their order, the newest first', async () => {
    const { save, find, clock } = await place();
    for (const key of ['npm-linux-1', 'npm-linux-2', 'npm-1', 'go-1']) {
      await save(key);
      clock.ms += 1000;
    }
    expect(await find('npm-linux-1', ['npm-'])).toEqual({ key: 'npm-linux-1', content: 'npm-linux-1' });
    expect((await find('npm-linux-3', ['npm-linux-', 'npm-']))?.key).toBe('npm-linux-2');
    expect((await find('npm-darwin-1', ['npm-darwin-', 'npm-']))?.key).toBe('npm-1');
    expect(await find('npm-linux-', [])).toBeUndefined();
  });

  it('are saved once per key: the first stands, and nothing is read of the second', async () => {
    const { store, save, find, files } = await place();
    expect(await save('key', 'first')).toBe(true);
    const never = () => {
      throw new Error('read although the key is taken');
    };
    expect(await store.save('project', 'key', never, signal)).toBe(false);
    expect((await find('key'))?.content).toBe('first');
    expect(await files()).toHaveLength(2);
  });

  it('are saved once by builds that end together too', async () => {
    const { save, find, files } = await place();
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((content) => save('key', content)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect((await find('key'))?.content).toBe(['a', 'b', 'c', 'd'][answers.indexOf(true)]);
    expect(await files()).toHaveLength(2);
  });

  it('are apart by scope, whatever scope and key are called', async () => {
    const { dir, save, find, files } = await place();
    await save('../../x', 'mine', '../../mine');
    expect(await find('../../x', ['.'], 'other')).toBeUndefined();
    expect((await find('../../x', [], '../../mine'))?.content).toBe('mine');
    expect(await files()).toHaveLength(2);
    expect((await readdir(join(dir, '..'))).includes('mine')).toBe(false);
  });

  it('leave nothing behind when their archive fails in its middle', async () => {
    const { store, find, files } = await place();
    async function* failing() {
      yield Buffer.from('half');
      throw new Error('the sandbox broke');
    }
    await expect(store.save('project', 'key', failing, signal)).rejects.toThrow('the sandbox broke');
    expect(await files()).toEqual([]);
    expect(await find('key')).toBeUndefined();
  });

  it('whose bytes are not those that were saved are an error once, and gone', async () => {
    const { dir, save, find, files } = await place();
    await save('key', 'content');
    const archive = (await files()).find((name) => name.endsWith('.tar.gz')) ?? '';
    await writeFile(join(dir, archive), 'CONTENT');
    await expect(find('key')).rejects.toMatchObject({ code: 'RITMO_CACHE_BROKEN' });
    expect(await find('key')).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it('are not there where their facts cannot be read', async () => {
    const { dir, save, find, files } = await place();
    await save('key');
    const facts = (await files()).find((name) => name.endsWith('.json')) ?? '';
    const text = await readFile(join(dir, facts), 'utf8');
    for (const broken of ['', '{', text.replace(/"archive":"[^"]*"/, '"archive":"../../../etc/passwd"')]) {
      await writeFile(join(dir, facts), broken);
      expect(await find('key')).toBeUndefined();
    }
  });
});

describe('caches are removed', () => {
  it('when they were not used for too long; a use counts', async () => {
    const { save, find, clock } = await place({ maxAgeMs: 7 * day });
    await save('used');
    await find('used');
    await save('unused');
    await find('unused');
    clock.ms += 6 * day;
    await find('used');
    clock.ms += 2 * day;
    await save('new');
    expect(await find('unused')).toBeUndefined();
    expect((await find('used'))?.content).toBe('used');
  });

  it('by their last use, the oldest first, once all are larger than they may be', async () => {
    const { save, find, clock } = await place({ maxBytes: 2500 });
    for (const key of ['a', 'b']) {
      await save(key, 'x'.repeat(1000));
      await find(key);
      clock.ms += 1000;
    }
    await find('a');
    clock.ms += 1000;
    await save('c', 'x'.repeat(1000));
    expect(await find('b')).toBeUndefined();
    expect((await find('a'))?.key).toBe('a');
    expect((await find('c'))?.key).toBe('c');
  });

  it('until the disk has the room that it must have', async () => {
    const { dir, save, find } = await place();
    await save('a');
    const { bavail, bsize } = await statfs(dir);
    const full = folderCacheStore(dir, { minFreeBytes: bavail * bsize * 2 });
    const saved = full.save('project', 'b', () => each([Buffer.from('x')]), signal);
    await expect(saved).rejects.toMatchObject({ code: 'RITMO_DISK_FULL', message: expect.stringContaining('no room') });
    expect(await find('a')).toBeUndefined();
  });

  it('and one that is larger than all may be is not kept', async () => {
    const { save, find, files } = await place({ maxBytes: 10 });
    await expect(save('a', 'x'.repeat(11))).rejects.toMatchObject({ code: 'RITMO_DISK_FULL' });
    expect(await find('a')).toBeUndefined();
    expect(await files()).toEqual([]);
  });

  it('with what a writer that died left, after an hour', async () => {
    const { dir, clock, save, files } = await place();
    await save('a');
    const scope = (await readdir(dir))[0] ?? '';
    await writeFile(join(dir, scope, '00000000-0000-4000-8000-000000000000.tar.gz'), 'torn');
    clock.ms = Date.now();
    await save('b');
    expect(await files()).toHaveLength(5);
    clock.ms = Date.now() + 2 * 60 * 60_000;
    await save('c');
    expect((await files()).some((name) => name.includes('00000000'))).toBe(false);
  });
});

it('wrong options are refused', () => {
  expect(() => folderCacheStore('/tmp/x', { maxBytes: Number.NaN })).toThrow(
    expect.objectContaining({ code: 'RITMO_USAGE' }),
  );
});

import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeTree, treeSize } from '../../src/index.js';

const { signal } = new AbortController();
const block = Buffer.alloc(64 * 1024, 1);
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-size-'));
});

afterEach(async () => {
  await removeTree(root);
});

const du = (...paths: string[]) =>
  execFileSync('du', ['-s', '-x', '-c', '-B1', ...paths], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[0]))
    .at(-1);

it('counts what du counts: each file once, sparse files by their blocks', async () => {
  mkdirSync(join(root, 'a/b/c'), { recursive: true });
  mkdirSync(join(root, 'other'));
  writeFileSync(join(root, 'a/b/c/file'), block);
  linkSync(join(root, 'a/b/c/file'), join(root, 'a/again'));
  linkSync(join(root, 'a/b/c/file'), join(root, 'other/again'));
  writeFileSync(join(root, 'a/sparse'), '');
  truncateSync(join(root, 'a/sparse'), 2 ** 30);
  execFileSync('mkfifo', [join(root, 'a/fifo')]);
  const roots = [join(root, 'a'), join(root, 'other')];
  const found = await treeSize(roots, { signal });
  expect(found).toEqual({ bytes: du(...roots), entries: 7, hidden: 0, complete: true });
});

it('follows no link, to folders as little as to files', async () => {
  mkdirSync(join(root, 'tree'));
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/file'), block);
  symlinkSync(join(root, 'outside'), join(root, 'tree/folder'));
  symlinkSync(join(root, 'outside/file'), join(root, 'tree/file'));
  expect((await treeSize([join(root, 'tree')], { signal })).bytes).toBeLessThan(block.length);
});

it('finds what lies below more folders than a path can name, with few descriptors and names that are no text', async () => {
  const script = `
    const { mkdirSync, writeFileSync } = require('node:fs');
    process.chdir(process.argv[1]);
    for (let i = 0; i < 120; i++) {
      for (const name of ['side', 'x'.repeat(200)]) mkdirSync(name);
      writeFileSync(Buffer.from([0xff, 0x0a]), 'x'.repeat(8192));
      process.chdir('x'.repeat(200));
    }`;
  execFileSync(process.execPath, ['-e', script, root]);
  let most = 0;
  const watched = new Proxy(signal, {
    get(target, name) {
      most = Math.max(most, openBelow(root));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const found = await treeSize([root], { signal: watched });
  expect(found).toMatchObject({ entries: 360, hidden: 0, complete: true });
  expect(found.bytes).toBeGreaterThan(120 * 8_192 - 1);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(50);
  expect(openBelow(root)).toBe(0);
});

it('stops past enough bytes, past too many names and below too many folders, and says so', async () => {
  for (let i = 0; i < 50; i++) writeFileSync(join(root, String(i)), block);
  const enough = await treeSize([root], { signal, enough: 3 * block.length });
  expect(enough.complete).toBe(false);
  expect(enough.entries).toBeLessThan(10);
  expect((await treeSize([root], { signal, maxEntries: 20 })).complete).toBe(false);
  mkdirSync(join(root, 'a/b/c/d'), { recursive: true });
  expect((await treeSize([root], { signal, maxDepth: 3 })).complete).toBe(false);
  expect((await treeSize([root], { signal, maxDepth: 4 })).complete).toBe(true);
});

it('counts nothing for what is not there, and stops when aborted', async () => {
  expect(await treeSize([join(root, 'nothing')], { signal })).toEqual({
    bytes: 0,
    entries: 0,
    hidden: 0,
    complete: true,
  });
  writeFileSync(join(root, 'file'), block);
  await expect(treeSize([root], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
});

it('goes on while the tree is changed under it', async () => {
  for (let i = 0; i < 100; i++) mkdirSync(join(root, `${i}/inner`), { recursive: true });
  const counting = treeSize([root], { signal });
  for (let i = 0; i < 100; i += 2) {
    rmSync(join(root, String(i)), { recursive: true });
    symlinkSync('/', join(root, String(i)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { bytes, complete } = await counting;
  expect(complete).toBe(true);
  expect(bytes).toBeLessThan(2 ** 21 * 2);
});

/** Descriptors of this process that lead below a folder: other tests of the process have theirs. */
function openBelow(folder: string): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target.startsWith(folder)).length;
}

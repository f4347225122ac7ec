import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listMounts, openMemoryFolder } from '../../src/index.js';

let root: string;
const request = () => ({ path: join(root, 'with blank', 'memory'), maxBytes: 2 ** 20 });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-memory-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

it('gives a folder that others may pass through, and takes it away with what it holds', async () => {
  const folder = await openMemoryFolder(request());
  writeFileSync(join(folder.path, 'secret'), 'hush');
  expect(statSync(folder.path).mode & 0o777).toBe(0o711);
  if (folder.kind !== 'disk') {
    const mount = listMounts()
      .filter(({ path }) => folder.path === path || folder.path.startsWith(`${path}/`))
      .at(-1);
    expect(['tmpfs', 'ramfs']).toContain(mount?.type);
  }
  await folder[Symbol.asyncDispose]();
  expect(existsSync(folder.path)).toBe(false);
  expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(root);
});

it('takes over what a process that died has left mounted', async () => {
  const left = await openMemoryFolder(request());
  writeFileSync(join(left.path, 'secret'), 'hush');
  const again = await openMemoryFolder(request());
  expect([again.path, again.kind]).toEqual([left.path, left.kind]);
  expect(readFileSync(join(again.path, 'secret'), 'utf8')).toBe('hush');
  await again[Symbol.asyncDispose]();
  expect(existsSync(again.path)).toBe(false);
});

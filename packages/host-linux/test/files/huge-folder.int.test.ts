import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectFiles, removeTree } from '../../src/index.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-huge-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

async function collect(include: string[]): Promise<number> {
  const request = { include, exclude: [], dotfiles: false, maxFiles: 1_000_000, maxBytes: 2 ** 30 };
  let count = 0;
  for await (const entry of collectFiles(root, request, new AbortController().signal)) {
    if (entry.kind === 'file') count += 1;
  }
  return count;
}

it('collects no folder without bound, passes over what is not meant, and removes it', {
  timeout: 120_000,
}, async () => {
  const folder = join(root, 'd');
  mkdirSync(folder);
  for (let i = 0; i <= 100_000; i++) closeSync(openSync(join(folder, `f${i}`), 'w'));
  await expect(collect(['d'])).rejects.toMatchObject({
    code: 'RITMO_ARTIFACT_LIMIT',
    message: 'The patterns match more than 100000 names in one folder.',
  });
  expect(await collect(['d/nothing*', 'd/f9999?'])).toBe(10);
  await removeTree(folder);
  expect(existsSync(folder)).toBe(false);
});

it('removes folders with more folders than are held in memory, at the top and inside', async () => {
  for (const folder of ['tree', 'tree/inner']) {
    for (let i = 0; i < 4_500; i++) mkdirSync(join(root, folder, `d${i}`), { recursive: true });
  }
  await removeTree(join(root, 'tree'));
  expect(existsSync(join(root, 'tree'))).toBe(false);
});

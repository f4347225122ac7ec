import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeTree } from '../../src/index.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-remove-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

it('removes a tree with everything in it, and follows no link', async () => {
  const tree = join(root, 'tree');
  mkdirSync(join(tree, 'a/b/c'), { recursive: true });
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/precious'), 'kept');
  writeFileSync(join(tree, 'a/b/file'), 'x');
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x0a])]), 'x');
  symlinkSync('../../../outside', join(tree, 'a/b/link'));
  symlinkSync(join(root, 'outside'), join(tree, 'absolute'));
  execFileSync('mkfifo', [join(tree, 'fifo')]);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
  expect(readFileSync(join(root, 'outside/precious'), 'utf8')).toBe('kept');
});

it('removes what is itself a link, a file, or nothing', async () => {
  mkdirSync(join(root, 'target'));
  symlinkSync('target', join(root, 'link'));
  writeFileSync(join(root, 'file'), 'x');
  for (const name of ['link', 'file', 'nothing', 'no/such/parent']) await removeTree(join(root, name));
  expect(existsSync(join(root, 'target'))).toBe(true);
  expect(existsSync(join(root, 'file'))).toBe(false);
});

it('removes a tree that is deeper than a path may be long', async () => {
  const name = 'd'.repeat(200);
  execFileSync(
    'sh',
    [
      '-c',
      `mkdir deep; cd deep; i=0; while [ $i -lt 300 ]; do mkdir ${name} && cd -P ${name} || exit 1; i=$((i+1)); done; echo x > bottom`,
    ],
    { cwd: root },
  );
  await removeTree(join(root, 'deep'));
  expect(existsSync(join(root, 'deep'))).toBe(false);
});

it('removes folders that are closed to their owner', async () => {
  const tree = join(root, 'tree');
  mkdirSync(join(tree, 'closed/inner'), { recursive: true });
  writeFileSync(join(tree, 'closed/inner/file'), 'x');
  execFileSync('chmod', ['-R', '000', join(tree, 'closed')]);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});

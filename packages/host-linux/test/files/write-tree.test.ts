import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileEntry } from '@ritmo/agent-core/executor';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makePlace, removePaths, writeFiles } from '../../src/index.js';

let root: string;
const never = () => new AbortController().signal;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-write-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function file(path: string, text: string, mode = 0o640): FileEntry {
  const bytes = Buffer.from(text);
  return { kind: 'file', path, mode, mtimeMs: 1_700_000_000_000, size: bytes.length, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

it('writes files and links with parents, mode and time', async () => {
  const link: FileEntry = { kind: 'link', path: 'a/link', target: 'b/c', mode: 0o777, mtimeMs: 0 };
  await writeFiles(root, 'dest', [file('a/b/c', 'text'), link], undefined, never());
  expect(readFileSync(join(root, 'dest/a/link'), 'utf8')).toBe('text');
  const stat = statSync(join(root, 'dest/a/b/c'));
  expect([stat.mode & 0o777, stat.mtimeMs]).toEqual([0o640, 1_700_000_000_000]);
});

it('replaces what is there, and writes through no link', async () => {
  writeFileSync(join(root, 'precious'), 'kept');
  mkdirSync(join(root, 'ws/folder/inner'), { recursive: true });
  symlinkSync('../precious', join(root, 'ws/link'));
  await writeFiles(join(root, 'ws'), '', [file('link', 'new'), file('folder', 'now a file')], undefined, never());
  expect(readFileSync(join(root, 'precious'), 'utf8')).toBe('kept');
  expect(readFileSync(join(root, 'ws/link'), 'utf8')).toBe('new');
  expect(readFileSync(join(root, 'ws/folder'), 'utf8')).toBe('now a file');
});

it('refuses paths that leave, and links and files in the way of a folder', async () => {
  symlinkSync('/tmp', join(root, 'out'));
  writeFileSync(join(root, 'file'), 'x');
  for (const path of ['out/x', 'file/x', '../x', '/tmp/x', 'a/../../x', '.']) {
    await expect(writeFiles(root, '', [file(path, 'x')], undefined, never())).rejects.toMatchObject({
      code: 'RITMO_WORKSPACE_ESCAPE',
    });
  }
});

it('leaves no half of a file when its body fails', async () => {
  const body = (async function* () {
    yield Buffer.from('half');
    throw new Error('cut off');
  })();
  const entry: FileEntry = { kind: 'file', path: 'f', mode: 0o644, mtimeMs: 0, size: 8, body };
  await expect(writeFiles(root, '', [entry], undefined, never())).rejects.toThrow('cut off');
  expect(lstatSync(join(root, 'f'), { throwIfNoEntry: false })).toBeUndefined();
});

it('removes what is there and does not mind what is not, through no link', async () => {
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/kept'), 'x');
  mkdirSync(join(root, 'ws/dir'), { recursive: true });
  symlinkSync('../outside', join(root, 'ws/link'));
  await removePaths(join(root, 'ws'), ['dir', 'nothing', 'no/such', 'link/kept'], never()).catch(() => undefined);
  expect(readFileSync(join(root, 'outside/kept'), 'utf8')).toBe('x');
  await removePaths(join(root, 'ws'), ['link'], never());
  expect(lstatSync(join(root, 'ws/link'), { throwIfNoEntry: false })).toBeUndefined();
});

it('makes places for mounts, and takes no link for one', () => {
  makePlace(root, 'a/b', 'folder', undefined);
  makePlace(root, 'a/b', 'folder', undefined);
  makePlace(root, 'a/f', 'file', undefined);
  makePlace(root, 'a/f', 'file', undefined);
  expect([statSync(join(root, 'a/b')).isDirectory(), statSync(join(root, 'a/f')).size]).toEqual([true, 0]);
  symlinkSync('/tmp', join(root, 'out'));
  expect(() => makePlace(root, 'out/x', 'folder', undefined)).toThrow(/leads through a link/);
  expect(() => makePlace(root, 'out', 'file', undefined)).toThrow(/leads through a link/);
  chmodSync(root, 0o700);
  expect(readlinkSync(join(root, 'out'))).toBe('/tmp');
});

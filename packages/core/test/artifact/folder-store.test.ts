import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type ArtifactSource, folderArtifactStore } from '../../src/artifact/index.js';
import { lease } from '../transport/support.js';
import { all, each, noResume, sha256, source, tempDir } from './support.js';

async function store(dir: string, sources: ArtifactSource[], signal = new AbortController().signal) {
  const session = await folderArtifactStore(dir).open(lease, noResume);
  let sent = 0;
  const refs = await all(session.add(each(sources), { signal, progress: (bytes) => void (sent += bytes) }));
  await session.commit();
  return { refs, sent };
}

describe('a folder of artifacts', () => {
  it('holds each file under its job and name, with its mode and hash', async () => {
    await using dir = await tempDir();
    const big = Buffer.alloc(300_000, 7);
    const files = [
      source('a.txt', 'hello'),
      source('deep/er/run.sh', big, { mode: 0o4755 }),
      source('empty', '', { name: 'lib@2/x' }),
    ];
    const { refs, sent } = await store(dir.path, files);
    expect(await readFile(join(dir.path, 'job1/out/a.txt'), 'utf8')).toBe('hello');
    expect((await stat(join(dir.path, 'job1/out/deep/er/run.sh'))).mode & 0o7777).toBe(0o755);
    expect(await readdir(join(dir.path, 'job1'))).toEqual(['lib@2%2Fx', 'out']);
    const first = refs.find(({ path }) => path === 'a.txt');
    expect(first).toMatchObject({ name: 'out', size: 5, sha256: sha256('hello') });
    expect(await readFile(fileURLToPath(first?.uri ?? ''), 'utf8')).toBe('hello');
    expect(refs.find(({ path }) => path.endsWith('run.sh'))?.sha256).toBe(sha256(big));
    expect(sent).toBe(5 + big.length);
    expect(files.map((file) => file.released)).toEqual([1, 1, 1]);
  });

  it('keeps links that stay inside as links', async () => {
    await using dir = await tempDir();
    await store(dir.path, [source('lib/so.1', 'x'), source('lib/so', '', { linkTarget: 'so.1' })]);
    expect(await readlink(join(dir.path, 'job1/out/lib/so'))).toBe('so.1');
    expect(await readFile(join(dir.path, 'job1/out/lib/so'), 'utf8')).toBe('x');
  });

  it.each([
    ['a link out of it', source('link', '', { linkTarget: '../../../secret' })],
    ['a link to an absolute path', source('link', '', { linkTarget: '/etc/passwd' })],
    ['a path out of it', source('../up', 'x')],
    ['an absolute path', source('/etc/x', 'x')],
    ['a name that leads to the folder above', source('other-job/out/x', 'x', { name: '..' })],
    ['a name that is no folder of its own', source('out/x', 'x', { name: '.' })],
  ])('refuses %s', async (_name, bad) => {
    await using dir = await tempDir();
    await expect(store(dir.path, [bad])).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_REFUSED' });
    expect(await readdir(dir.path, { recursive: true })).toEqual([]);
    expect(bad.released).toBe(1);
  });

  it('writes through no link, whoever made it', async () => {
    await using dir = await tempDir();
    await using elsewhere = await tempDir();
    await mkdir(join(dir.path, 'job1/out'), { recursive: true });
    await symlink(elsewhere.path, join(dir.path, 'job1/out/lib'));
    await expect(store(dir.path, [source('lib/x', 'x')])).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_REFUSED' });
    expect(await readdir(elsewhere.path)).toEqual([]);
  });

  it('replaces a file as a whole, also one that is a link', async () => {
    await using dir = await tempDir();
    await using elsewhere = await tempDir();
    await writeFile(join(elsewhere.path, 'target'), 'untouched');
    await mkdir(join(dir.path, 'job1/out'), { recursive: true });
    await symlink(join(elsewhere.path, 'target'), join(dir.path, 'job1/out/a'));
    await store(dir.path, [source('a', 'new')]);
    expect(await readFile(join(dir.path, 'job1/out/a'), 'utf8')).toBe('new');
    expect(await readFile(join(elsewhere.path, 'target'), 'utf8')).toBe('untouched');
  });

  it.each([
    ['shrinks', { size: 9 }, /shrank/],
    ['grows', { size: 2 }, /grew/],
    [
      'cannot be read',
      {
        // oxlint-disable-next-line require-yield
        read: async function* read() {
          throw new Error('gone');
        },
      },
      /could not be read: gone/,
    ],
  ])('shows no file that %s while it is read', async (_name, more, message) => {
    await using dir = await tempDir();
    const bad = source('a', 'hello', more);
    await expect(store(dir.path, [bad])).rejects.toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: expect.stringMatching(message),
    });
    expect(await readdir(join(dir.path, 'job1/out'))).toEqual([]);
  });
});

import { createGzip, gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { packArchive, unpackArchive } from '../../src/cache/archive.js';
import type { FileEntry } from '../../src/executor/sandbox.js';
import { all, each, file } from '../artifact/support.js';

const signal = new AbortController().signal;
const limits = { paths: ['deps'], maxFiles: 1000, maxBytes: 1_000_000 };

const link = (path: string, target: string): FileEntry => ({ kind: 'link', path, target, mode: 0o777, mtimeMs: 0 });
const entry = (path: string, content: string) => file(path, content) as FileEntry;

async function packed(entries: readonly FileEntry[]): Promise<Buffer> {
  return Buffer.concat(await all(packArchive(each(entries), signal)));
}

async function unpacked(archive: Uint8Array, more: Partial<typeof limits> = {}) {
  const found: Array<readonly [string, string]> = [];
  for await (const one of unpackArchive(each([archive]), { ...limits, ...more }, signal))
    found.push([one.path, one.kind === 'link' ? `-> ${one.target}` : Buffer.concat(await all(one.body)).toString()]);
  return found;
}

/** An archive as nobody of ours would write it. */
async function hostile(header: { name: string; type?: 'file' | 'symlink' | 'link' | 'fifo'; linkname?: string }) {
  const tar = pack();
  tar.entry({ size: 0, ...header }, '');
  tar.finalize();
  return Buffer.concat(await all(tar.pipe(createGzip())));
}

describe('the archive of a cache', () => {
  it('gives back files, modes, times and links as they were', async () => {
    const long = `deps/${'a'.repeat(150)}/ünïcode name`;
    const archive = await packed([entry('deps/a', 'x'), entry(long, 'y'.repeat(600_000)), link('deps/l', 'a')]);
    expect(await unpacked(archive)).toEqual([
      ['deps/a', 'x'],
      [long, 'y'.repeat(600_000)],
      ['deps/l', '-> a'],
    ]);
    const [first] = await all(unpackArchive(each([archive]), limits, signal));
    expect(first).toMatchObject({ mode: 0o644, mtimeMs: 0, size: 1 });
  });

  it.each([
    ['a path that climbs', { name: '../x' }, 'not among its paths'],
    ['a path that climbs out of its folder', { name: 'deps/../../x' }, 'not among its paths'],
    ['an absolute path', { name: '/etc/cron.d/x' }, 'not among its paths'],
    ['a path beside its own', { name: 'src/main.c' }, 'not among its paths'],
    ['a name that only begins like one of its own', { name: 'deps2/a' }, 'not among its paths'],
    ['a link that leaves', { name: 'deps/l', type: 'symlink', linkname: '../../etc' }, 'a link that leaves'],
    ['an absolute link', { name: 'deps/l', type: 'symlink', linkname: '/etc/passwd' }, 'a link that leaves'],
    ['a hard link', { name: 'deps/l', type: 'link', linkname: 'deps/a' }, 'neither a file nor a link'],
    ['a FIFO', { name: 'deps/f', type: 'fifo' }, 'neither a file nor a link'],
  ] as const)('with %s is not used', async (_name, header, words) => {
    await expect(unpacked(await hostile(header))).rejects.toMatchObject({
      code: 'RITMO_CACHE_BROKEN',
      message: expect.stringContaining(words),
    });
  });

  it('that is too large once it is unpacked is not used', async () => {
    const archive = await packed([entry('deps/zeros', '0'.repeat(900_000)), entry('deps/more', '0'.repeat(900_000))]);
    expect(archive.length).toBeLessThan(50_000);
    const refused = { code: 'RITMO_CACHE_BROKEN', message: expect.stringContaining('larger than allowed') };
    await expect(unpacked(archive)).rejects.toMatchObject(refused);
    await expect(unpacked(archive, { maxBytes: 1e9, maxFiles: 1 })).rejects.toMatchObject(refused);
  });

  it('that is no archive, or is cut off, is not used', async () => {
    const archive = await packed([entry('deps/a', 'y'.repeat(300_000))]);
    const cut = gzipSync(gunzipSync(archive).subarray(0, 100_000));
    for (const bytes of [Buffer.from('hello'), gzipSync('hello'), archive.subarray(0, 100), cut])
      await expect(unpacked(bytes)).rejects.toMatchObject({ code: 'RITMO_CACHE_BROKEN' });
  });

  it('ends with the reason of what filled it', async () => {
    async function* failing(): AsyncGenerator<FileEntry> {
      yield entry('deps/a', 'x');
      throw new Error('the sandbox broke');
    }
    await expect(all(packArchive(failing(), signal))).rejects.toThrow('the sandbox broke');
  });
});

it('yields nothing that lies elsewhere, whatever its bytes are', async () => {
  const path = fc.array(fc.constantFrom('..', '.', 'deps', 'a', '', 'link'), { maxLength: 5 });
  const name = path.map((parts) => parts.join('/'));
  await fc.assert(
    fc.asyncProperty(name, fc.constantFrom('file', 'symlink'), name, async (at, type, linkname) => {
      const found = await unpacked(await hostile({ name: at, type, linkname })).catch(() => []);
      expect(found.every(([one]) => one === 'deps' || one.startsWith('deps/'))).toBe(true);
      expect(found.some(([one]) => one.split('/').includes('..'))).toBe(false);
    }),
  );
});

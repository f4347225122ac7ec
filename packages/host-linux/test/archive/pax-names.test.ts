import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ArchiveFiles, Spool } from '../../src/index.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-pax-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const odd = Buffer.concat([Buffer.from('bad-'), Buffer.from([0xff]), Buffer.from('-name')]);

it.each(['gnu', 'pax'])(
  'keeps the bytes of names in an archive of the format %s, however it is cut',
  async (format) => {
    const root = join(folder, 'root');
    const long = 'l'.repeat(150);
    mkdirSync(join(root, long), { recursive: true });
    writeFileSync(join(root, 'é€𝄞'), 'letters');
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), odd]), 'bytes');
    writeFileSync(join(root, long, 'deep'), 'x'.repeat(2_000));
    symlinkSync(`${long}/deep`, join(root, 'zlink'));
    const tar = execFileSync('tar', [`--format=${format}`, '-C', root, '-c', '.']);
    for (const size of [100, 512, tar.length]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < tar.length; at += size) chunks.push(tar.subarray(at, at + size));
      const request = { include: ['**'], exclude: [], dotfiles: false, maxFiles: 10, maxBytes: 10_000 };
      const files = new ArchiveFiles(request, new Spool(join(folder, 'spool')));
      await files.read(Readable.from(chunks));
      const seen = files.entries().map((entry) => [entry.path, entry.kind === 'file' ? entry.size : entry.kind]);
      expect(seen).toEqual([
        [odd.toString(), 5],
        [`${long}/deep`, 2_000],
        ['zlink', 'link'],
        ['é€𝄞', 7],
      ]);
      const [first] = files.entries();
      expect(first?.kind === 'file' && Buffer.from(first.pathBytes ?? [])).toEqual(odd);
    }
  },
);

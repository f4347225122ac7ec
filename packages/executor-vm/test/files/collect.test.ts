import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import type { CollectedEntry, CollectRequest } from '@ritmo/agent-core/executor';
import { type Headers, pack } from 'tar-stream';
import { fromSpool, Spool } from '@ritmo/host-linux';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCollected } from '../../src/files/collect.js';
import { MarkedStream } from '../../src/machine/marked-stream.js';

const mark = 'f'.repeat(32);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-collect-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A port on which the guest has already sent all of it. */
function port(...sent: readonly Buffer[]): MarkedStream {
  const waiting = [...sent];
  return new MarkedStream(
    new Duplex({
      read() {
        this.push(waiting.shift() ?? Buffer.from(`\x01${mark}\n`));
      },
      write: (_chunk, _encoding, done) => done(),
    }),
  );
}

async function archive(
  entries: ReadonlyArray<readonly [Partial<Headers> & Pick<Headers, 'name'>, string?]>,
): Promise<Buffer> {
  const packed = pack();
  for (const [header, text] of entries) packed.entry(header, text ?? '');
  packed.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packed as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function collect(sent: Buffer, over: Partial<CollectRequest> = {}): Promise<CollectedEntry[]> {
  const request = { include: ['**'], exclude: [], dotfiles: false, maxFiles: 100, maxBytes: 10_000, ...over };
  const spool = new Spool(join(folder, 'spool'));
  return (await readCollected(port(sent), mark, request, spool)).map((entry) => fromSpool(spool.folder, entry));
}

const text = async (entry: CollectedEntry | undefined) => {
  let all = '';
  if (entry?.kind === 'file') for await (const chunk of entry.body) all += Buffer.from(chunk).toString();
  return all;
};

describe('an archive that a guest sends', () => {
  it('gives files and links, sorted, whose bodies can be read again and again', async () => {
    const found = await collect(
      await archive([
        [{ name: './b', mode: 0o755 }, 'second'],
        [{ name: './a/file', mode: 0o600 }, 'first'],
        [{ name: './a/link', type: 'symlink', linkname: 'file' }],
        [{ name: './a/also', type: 'link', linkname: './a/file' }],
      ]),
    );
    expect(found.map(({ path, kind }) => [path, kind])).toEqual([
      ['a/also', 'file'],
      ['a/file', 'file'],
      ['a/link', 'link'],
      ['b', 'file'],
    ]);
    expect(await text(found[1])).toBe('first');
    expect(await text(found[0])).toBe('first');
    const [, file] = found;
    if (file?.kind !== 'file' || file.range === undefined) throw new Error('no range');
    for await (const chunk of file.range(1, 3)) expect(Buffer.from(chunk).toString()).toBe('ir');
  });

  it('has no say over names of this host, whatever it holds', async () => {
    const found = await collect(
      await archive([
        [{ name: '../../../../tmp/escaped' }, 'x'],
        [{ name: '/tmp/absolute' }, 'x'],
        [{ name: 'up/../../escaped' }, 'x'],
        [{ name: 'link', type: 'symlink', linkname: '/tmp' }],
        [{ name: 'link/through' }, 'through'],
        [{ name: 'device', type: 'block-device', devmajor: 8, devminor: 0 }],
        [{ name: 'other', type: 'link', linkname: '/etc/passwd' }],
      ]),
    );
    expect(found.map(({ path, kind }) => [path, kind])).toEqual([
      ['device', 'refused'],
      ['link', 'refused'],
      ['link/through', 'file'],
      ['other', 'refused'],
    ]);
    expect(readdirSync(folder)).toEqual(['spool']);
    expect(readdirSync(join(folder, 'spool'))).toEqual(['1']);
  });

  it('says that .git is left out where a pattern means all, and only there', async () => {
    const sent = await archive([
      [{ name: './.git/config' }, 'secret'],
      [{ name: './file' }, 'text'],
    ]);
    const note = { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true };
    const found = await collect(sent, { dotfiles: true });
    expect(found.map((entry) => (entry.kind === 'refused' ? entry : entry.path))).toEqual([note, 'file']);
    expect((await collect(sent, { include: ['file'] })).map(({ path }) => path)).toEqual(['file']);
  });

  it('counts the first of two files of one name', async () => {
    const found = await collect(
      await archive([
        [{ name: 'twice' }, 'first'],
        [{ name: './twice' }, 'second'],
      ]),
    );
    expect(found).toHaveLength(1);
    expect(await text(found[0])).toBe('first');
  });

  it('ends at the limits of the request', async () => {
    const many = await archive([
      [{ name: 'a' }, '12345'],
      [{ name: 'b' }, '12345'],
    ]);
    await expect(collect(many, { maxFiles: 1 })).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
    await expect(collect(many, { maxBytes: 9 })).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
    expect(await collect(many, { maxFiles: 1, exclude: ['a'] })).toHaveLength(1);
  });

  it('breaks the sandbox when it is none, or breaks off', async () => {
    const garbage = Buffer.alloc(4096, 'garbage');
    await expect(collect(garbage)).rejects.toMatchObject({ code: 'RITMO_SANDBOX_BROKEN' });
    const whole = await archive([[{ name: 'a' }, 'x'.repeat(5_000)]]);
    await expect(collect(whole.subarray(0, 2_000))).rejects.toMatchObject({ code: 'RITMO_SANDBOX_BROKEN' });
  });
});

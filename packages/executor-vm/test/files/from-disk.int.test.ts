import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CollectedEntry, CollectRequest } from '@ritmo/agent-core/executor';
import { fromSpool, Spool } from '@ritmo/host-linux';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Unreadable } from '../../src/ext4/unreadable.js';
import { collectFromDisk } from '../../src/files/from-disk.js';
import { type DiskOptions, makeDisk } from '../support/disk.js';

const odd = Buffer.concat([Buffer.from('bad-'), Buffer.from([0xff]), Buffer.from('\n-name')]);
let folder: string;
let workspace: string;
let disk: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-disk-'));
  workspace = join(folder, 'content/workspace');
  disk = join(folder, 'disk');
  mkdirSync(workspace, { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function collect(
  over: Partial<CollectRequest> = {},
  signal = new AbortController().signal,
): Promise<CollectedEntry[]> {
  const request = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 10_000, maxBytes: 2 ** 30, ...over };
  const spool = new Spool(join(folder, 'spool'));
  const entries = await collectFromDisk(disk, request, spool, signal);
  return entries.map((entry) => fromSpool(spool.folder, entry));
}

/** Of large files `expect` would compare every byte by itself. */
const shortly = (bytes: Buffer) =>
  bytes.length > 1_000 ? createHash('sha256').update(bytes).digest('hex') : bytes.toString();

/** What there is to see of each entry. */
async function seen(entries: readonly CollectedEntry[]): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const entry of entries) {
    if (entry.kind === 'link') all[entry.path] = `-> ${entry.target}`;
    else if (entry.kind === 'refused') all[entry.path] = entry.why;
    else {
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry.body) chunks.push(Buffer.from(chunk));
      all[entry.path] = shortly(Buffer.concat(chunks));
    }
  }
  return all;
}

/** Of which the blocks in between are not there: each of them is an extent of its own. */
function writeHoles(path: string, pieces: number, end: number): Buffer {
  const fd = openSync(path, 'w');
  for (let index = 0; index < pieces; index++) writeSync(fd, `piece ${index}`, index * 16_384);
  closeSync(fd);
  truncateSync(path, end);
  return readFileSync(path);
}

describe('the disk of a machine, read from outside', () => {
  const disks: ReadonlyArray<readonly [string, DiskOptions]> = [
    ['as jobs have it', {}],
    ['with small blocks, as small disks have', { blockBytes: 1024 }],
    ['with small inodes', { inodeBytes: 128 }],
    ['without 64 bit and groups of groups', { features: '^has_journal,^metadata_csum,^64bit,^flex_bg' }],
  ];
  it.each(disks)('%s gives files, links and folders as they were put there', async (_, options) => {
    const long = 'l'.repeat(200);
    const deep = join(workspace, 'a', long, 'c');
    mkdirSync(deep, { recursive: true });
    const large = Buffer.alloc(700_001, 'large ');
    writeFileSync(join(workspace, 'empty'), '');
    writeFileSync(join(workspace, 'large'), large);
    const holes = writeHoles(join(workspace, 'holes'), 400, 9_000_001);
    truncateSync(join(workspace, 'empty'), 0);
    writeFileSync(join(deep, 'file'), 'deep');
    linkSync(join(deep, 'file'), join(workspace, 'second-name'));
    writeFileSync(Buffer.concat([Buffer.from(`${workspace}/`), odd]), 'bytes');
    symlinkSync(`a/${long}/c/file`, join(workspace, 'long-link'));
    symlinkSync('empty', join(workspace, 'link'));
    symlinkSync('/etc/passwd', join(workspace, 'leaves'));
    execFileSync('mkfifo', [join(workspace, 'fifo')]);
    chmodSync(join(workspace, 'large'), 0o751);
    utimesSync(join(workspace, 'large'), 1, 1_700_000_000);
    const many = Object.fromEntries(
      Array.from({ length: 1_000 }, (_each, index) => [`many/${'n'.repeat(60)}-${index}`, index]),
    );
    mkdirSync(join(workspace, 'many'));
    for (const [name, index] of Object.entries(many)) writeFileSync(join(workspace, name), String(index));
    makeDisk(disk, join(folder, 'content'), options);

    const found = await collect();
    expect(await seen(found)).toEqual({
      ...Object.fromEntries(Object.entries(many).map(([name, index]) => [name, String(index)])),
      [`a/${long}/c/file`]: 'deep',
      [odd.toString()]: 'bytes',
      empty: '',
      fifo: 'fifo was not collected: it is a device, a FIFO or a socket.',
      large: shortly(large),
      holes: shortly(holes),
      leaves: 'leaves was not collected: it is a link that leaves the workspace, to /etc/passwd.',
      link: '-> empty',
      'long-link': `-> a/${long}/c/file`,
      'second-name': 'deep',
    });
    const paths = found.map(({ path }) => Buffer.from(path));
    expect(paths).toEqual(paths.toSorted((a, b) => Buffer.compare(a, b)));
    expect(found.find(({ path }) => path === 'large')).toMatchObject({ mode: 0o751, mtimeMs: 1_700_000_000_000 });
    const named = found.find((entry) => entry.kind === 'file' && entry.pathBytes !== undefined);
    expect(named?.kind === 'file' && Buffer.from(named.pathBytes ?? [])).toEqual(odd);
  });

  it('gives what the patterns mean, and does not look into folders that they cannot mean', async () => {
    for (const name of ['out', 'node_modules']) {
      mkdirSync(join(workspace, name));
      writeFileSync(join(workspace, name, 'file.txt'), name);
    }
    makeDisk(disk, join(folder, 'content'));
    expect(Object.keys(await seen(await collect({ include: ['out/*.txt'] })))).toEqual(['out/file.txt']);
    expect(Object.keys(await seen(await collect({ exclude: ['node_modules'] })))).toEqual(['out/file.txt']);
  });

  it('says that .git is left out where a pattern means all, and only there', async () => {
    mkdirSync(join(workspace, '.git'));
    writeFileSync(join(workspace, '.git/config'), 'secret');
    writeFileSync(join(workspace, 'file'), 'text');
    makeDisk(disk, join(folder, 'content'));
    const note = { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true };
    expect((await collect()).map((entry) => (entry.kind === 'refused' ? entry : entry.path))).toEqual([note, 'file']);
    expect((await collect({ include: ['*'], dotfiles: false })).map(({ path }) => path)).toEqual(['file']);
    expect((await collect({ include: ['.git'] })).map(({ path }) => path)).toEqual(['.git/config']);
  });

  it('ends at the limits of the request, before a byte of what is too much', async () => {
    truncateSync(openEmpty('huge'), 2 ** 40);
    makeDisk(disk, join(folder, 'content'));
    await expect(collect()).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
    await expect(collect({ maxFiles: 0 })).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
  });

  it('ends when it is told to', async () => {
    truncateSync(openEmpty('huge'), 2 ** 40);
    makeDisk(disk, join(folder, 'content'));
    const stop = new AbortController();
    setImmediate(() => stop.abort(new Error('enough')));
    await expect(collect({ maxBytes: 2 ** 41 }, stop.signal)).rejects.toThrow('enough');
  });

  it.each(['has_journal,^metadata_csum,needs_recovery', '^has_journal,inline_data', '^has_journal,bigalloc'])(
    'is not read where it has features that are unknown here: %s',
    async (features) => {
      writeFileSync(join(workspace, 'file'), 'text');
      makeDisk(disk, join(folder, 'content'), { features: features.replace(',needs_recovery', '') });
      if (features.includes('needs_recovery')) spoil(1024 + 0x60, 0x2 | 0x4 | 0x40);
      await expect(collect()).rejects.toBeInstanceOf(Unreadable);
    },
  );

  it('is not read where it is none, or ends before its file system does', async () => {
    writeFileSync(join(workspace, 'file'), 'text');
    makeDisk(disk, join(folder, 'content'));
    truncateSync(disk, 64 * 1024);
    await expect(collect()).rejects.toBeInstanceOf(Unreadable);
    writeFileSync(disk, Buffer.alloc(8_192));
    await expect(collect()).rejects.toBeInstanceOf(Unreadable);
  });

  it('may be spoiled anywhere: it is read, or not, and nothing else happens', async () => {
    for (const name of ['a', 'b', 'b/c']) {
      mkdirSync(join(workspace, name));
      for (let index = 0; index < 5; index++) writeFileSync(join(workspace, name, `file-${index}`), `text ${index}`);
    }
    writeHoles(join(workspace, 'a/holes'), 12, 200_000);
    symlinkSync('x'.repeat(100), join(workspace, 'link'));
    makeDisk(disk, join(folder, 'content'), { bytes: 2 ** 20, blockBytes: 1024 });
    const good = readFileSync(disk);
    // Where something is: the rest is zeros, and what is changed there changes nothing.
    const places = [...good.keys()].filter((at) => good[at] !== 0);
    const spoiled = fc.array(fc.tuple(fc.constantFrom(...places), fc.integer({ min: -8, max: 8 }), fc.nat(255)), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(spoiled, async (changes) => {
        const bytes = Buffer.from(good);
        for (const [place, beside, value] of changes) bytes[Math.max(0, place + beside)] = value;
        writeFileSync(disk, bytes);
        try {
          for (const entry of await collect({ maxBytes: 2 ** 22 }))
            expect(entry.path).not.toMatch(/^\/|(^|\/)\.\.(\/|$)/);
        } catch (error) {
          if (!(error instanceof Unreadable)) expect(error).toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
        }
        expect(readdirSync(folder).toSorted()).toEqual(['content', 'disk', 'spool']);
      }),
      { numRuns: 1_000 },
    );
  });
});

function openEmpty(name: string): string {
  const path = join(workspace, name);
  writeFileSync(path, '');
  return path;
}

function spoil(at: number, word: number): void {
  const fd = openSync(disk, 'r+');
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(word);
  writeSync(fd, bytes, 0, 4, at);
  closeSync(fd);
}

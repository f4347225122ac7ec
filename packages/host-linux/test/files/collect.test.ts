import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync, appendFileSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CollectedEntry, CollectRequest, FileBody } from '@ritmo/agent-core/executor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectFiles } from '../../src/index.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-collect-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function files(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), `content of ${path}`);
  }
}

const request = (over: Partial<CollectRequest>): CollectRequest => ({
  include: ['**'],
  exclude: [],
  dotfiles: false,
  maxFiles: 1_000_000,
  maxBytes: 2 ** 40,
  ...over,
});

async function collect(over: Partial<CollectRequest> = {}, signal = new AbortController().signal) {
  const entries: CollectedEntry[] = [];
  for await (const entry of collectFiles(root, request(over), signal)) entries.push(entry);
  return entries;
}

const paths = async (over: Partial<CollectRequest> = {}) =>
  (await collect(over))
    .filter((entry) => !('byRule' in entry))
    .map((entry) => entry.path)
    .toSorted();

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('what matches', () => {
  it('takes a folder for all that it holds', async () => {
    files('coverage/a.txt', 'coverage/deep/b.txt', 'other.txt');
    expect(await paths({ include: ['coverage'] })).toEqual(['coverage/a.txt', 'coverage/deep/b.txt']);
    expect(await paths({ include: ['./coverage/'] })).toEqual(['coverage/a.txt', 'coverage/deep/b.txt']);
  });

  it('leaves out what is excluded, and folders with all that they hold', async () => {
    files('out/a.txt', 'out/b.tmp', 'out/.c.tmp', 'out/node_modules/x/d.txt');
    expect(await paths({ include: ['out'], exclude: ['**/*.tmp', '**/node_modules'], dotfiles: true })).toEqual([
      'out/a.txt',
    ]);
  });

  it('matches a leading dot only by choice or by name', async () => {
    files('a.txt', '.hidden', '.config/b.txt', 'c/.d');
    expect(await paths()).toEqual(['a.txt']);
    expect(await paths({ include: ['.config', 'c/.d'] })).toEqual(['.config/b.txt', 'c/.d']);
    expect(await paths({ dotfiles: true })).toEqual(['.config/b.txt', '.hidden', 'a.txt', 'c/.d']);
  });

  it('never matches .git of the root by a pattern that does not name it', async () => {
    files('.git/config', 'sub/.git/config', 'a.txt');
    expect(await paths({ include: ['**', '.*', '*', '.g*/**'], dotfiles: true })).toEqual(['a.txt', 'sub/.git/config']);
    expect(await paths({ include: ['.git'] })).toEqual(['.git/config']);
    expect(await paths({ include: ['.git/con*'] })).toEqual(['.git/config']);
  });

  it('says that .git is left out where a pattern means all, and only there', async () => {
    files('.git/config', 'a.txt');
    const left = async (over: Partial<CollectRequest>) =>
      (await collect(over)).filter((entry) => 'byRule' in entry && entry.byRule);
    const note = { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true };
    expect(await left({ dotfiles: true })).toEqual([note]);
    expect(await left({ include: ['.*'] })).toEqual([note]);
    expect(await left({})).toEqual([]);
    expect(await left({ include: ['.', '.git'], dotfiles: true })).toEqual([]);
    expect(await left({ dotfiles: true, exclude: ['.git'] })).toEqual([]);
    rmSync(join(root, '.git'), { recursive: true });
    expect(await left({ dotfiles: true })).toEqual([]);
  });

  it('finds what braces with a slash inside mean', async () => {
    files('a/b/1.txt', 'a/c/d/2.txt', 'a/e/3.txt');
    expect(await paths({ include: ['a/{b,c/d}/*.txt'] })).toEqual(['a/b/1.txt', 'a/c/d/2.txt']);
  });

  it('refuses patterns that leave the workspace', async () => {
    for (const include of ['/etc/passwd', '../x', 'a/../../b']) {
      await expect(collect({ include: [include] })).rejects.toMatchObject({ code: 'RITMO_WORKSPACE_ESCAPE' });
    }
  });

  it('does not open folders in which nothing can match', async () => {
    files('big/inner/a.txt', 'small/b.txt');
    execFileSync('chmod', ['000', join(root, 'big')]);
    const open = await paths({ include: ['small/*.txt', 'sm*/c'] });
    execFileSync('chmod', ['755', join(root, 'big')]);
    expect(open).toEqual(['small/b.txt']);
  });
});

describe('names', () => {
  it('gives names with newlines, and the bytes of names that are not UTF-8', async () => {
    const raw = Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff]), Buffer.from('.txt')]);
    writeFileSync(raw, 'x');
    files('line\nbreak.txt', 'dir\nwith/deep.txt');
    const entries = await collect({ include: ['**/*.txt'] });
    expect(entries.map((entry) => entry.path).toSorted()).toEqual([
      'bad-\ufffd.txt',
      'dir\nwith/deep.txt',
      'line\nbreak.txt',
    ]);
    const bad = entries.find((entry) => entry.path.startsWith('bad-')) as FileBody;
    expect(Buffer.from(bad.pathBytes ?? [])).toEqual(Buffer.from('bad-\xff.txt', 'latin1'));
    expect(entries.filter((entry) => 'pathBytes' in entry)).toHaveLength(1);
  });
});

describe('links and things that are no files', () => {
  it('keeps links that stay inside, as they stand', async () => {
    files('a/real.txt');
    symlinkSync('a/real.txt', join(root, 'one'));
    symlinkSync('../one', join(root, 'a/two'));
    symlinkSync('not/there', join(root, 'dangling'));
    const links = (await collect()).filter((entry) => entry.kind === 'link');
    expect(links).toMatchObject([
      { path: 'a/two', target: '../one' },
      { path: 'dangling', target: 'not/there' },
      { path: 'one', target: 'a/real.txt' },
    ]);
  });

  it('refuses links that leave, by their name, also through another link', async () => {
    files('a/b.txt');
    symlinkSync('/etc/passwd', join(root, 'absolute'));
    symlinkSync('../../etc/passwd', join(root, 'a/up'));
    symlinkSync('..', join(root, 'a/root'));
    symlinkSync('a/root/../x', join(root, 'through'));
    symlinkSync('loop', join(root, 'loop'));
    const entries = await collect({ exclude: ['a/b.txt'] });
    expect(entries.map((entry) => [entry.kind, entry.path])).toEqual([
      ['link', 'a/root'],
      ['refused', 'a/up'],
      ['refused', 'absolute'],
      ['refused', 'loop'],
      ['refused', 'through'],
    ]);
    expect(entries[2]).toMatchObject({
      why: 'absolute was not collected: it is a link that leaves the workspace, to /etc/passwd.',
    });
  });

  it('does not walk through a link to a folder', async () => {
    files('real/a.txt');
    symlinkSync('real', join(root, 'alias'));
    symlinkSync('/etc', join(root, 'etc'));
    expect((await collect({ include: ['alias/*', 'etc/**'] })).map(({ kind, path }) => [kind, path])).toEqual([
      ['refused', 'etc'],
    ]);
  });

  it('refuses device nodes, which a root inside could have made', async () => {
    files('a.txt');
    execFileSync('mknod', [join(root, 'disk'), 'b', '7', '0']);
    execFileSync('mknod', [join(root, 'zero'), 'c', '1', '5']);
    const entries = await collect();
    expect(entries.map(({ kind, path }) => `${kind} ${path}`)).toEqual(['file a.txt', 'refused disk', 'refused zero']);
    expect(entries[1]).toMatchObject({ why: 'disk was not collected: it is a device, a FIFO or a socket.' });
  });

  it('refuses FIFOs and sockets without waiting for them', async () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    const entries = await collect();
    await new Promise((resolve) => server.close(resolve));
    expect(entries).toMatchObject([
      { kind: 'refused', path: 'fifo' },
      { kind: 'refused', path: 'socket' },
    ]);
  });
});

describe('what is read', () => {
  it('gives size, mode, time and bytes', async () => {
    files('a.txt', 'empty');
    writeFileSync(join(root, 'empty'), '');
    execFileSync('chmod', ['750', join(root, 'a.txt')]);
    const bodies: string[] = [];
    for await (const entry of collectFiles(root, request({}), new AbortController().signal)) {
      if (entry.kind === 'file')
        bodies.push(`${entry.path} ${entry.mode.toString(8)} ${entry.size} ${await textOf(entry.body)}`);
    }
    expect(bodies).toEqual(['a.txt 750 16 content of a.txt', 'empty 644 0 ']);
  });

  it('reads any part again at any time, until the file is another one', async () => {
    const big = 'x'.repeat(700_000) + 'end';
    mkdirSync(join(root, 'd'));
    writeFileSync(join(root, 'd/big'), big);
    const [entry] = (await collect()) as [FileBody];
    const range = entry.range as NonNullable<FileBody['range']>;
    expect(await textOf(range(699_998, 700_003))).toBe('xxend');
    expect(await textOf(range(0, entry.size))).toBe(big);
    expect(await textOf(range(5, 5))).toBe('');
    appendFileSync(join(root, 'd/big'), 'more');
    await expect(textOf(range(0, 3))).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_REFUSED' });
    rmSync(join(root, 'd'), { recursive: true });
    symlinkSync('/etc', join(root, 'd'));
    await expect(textOf(range(0, 3))).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_REFUSED' });
  });

  it('reads a part into memory that is given, and yields where it lies', async () => {
    const big = Array.from({ length: 300_000 }, (_, n) => `${n} `).join('');
    writeFileSync(join(root, 'big'), big);
    const [entry] = (await collect()) as [FileBody];
    const into = new Uint8Array(1_500_000);
    let length = 0;
    for await (const bytes of entry.range?.(3, 1_500_003, into) ?? []) {
      expect([bytes.buffer, bytes.byteOffset]).toEqual([into.buffer, length]);
      length += bytes.length;
    }
    expect(length).toBe(1_500_000);
    expect(Buffer.from(into).toString()).toBe(big.slice(3, 1_500_003));
  });

  it('rejects the body of a file that shrinks or grows while it is read', async () => {
    for (const change of [
      () => writeFileSync(join(root, 'f'), 'short'),
      () => appendFileSync(join(root, 'f'), 'more'),
    ]) {
      writeFileSync(join(root, 'f'), 'y'.repeat(600_000));
      for await (const entry of collectFiles(root, request({}), new AbortController().signal)) {
        const body = (entry as FileBody).body[Symbol.asyncIterator]();
        await body.next();
        change();
        await expect(textOf({ [Symbol.asyncIterator]: () => body })).rejects.toMatchObject({
          code: 'RITMO_ARTIFACT_REFUSED',
        });
      }
    }
  });

  it('refuses a file that vanished after its folder was read', async () => {
    files('a', 'b');
    const seen: CollectedEntry[] = [];
    for await (const entry of collectFiles(root, request({}), new AbortController().signal)) {
      seen.push(entry);
      if (entry.path === 'a') unlinkSync(join(root, 'b'));
    }
    expect(seen).toMatchObject([{ kind: 'file' }, { kind: 'refused', why: 'b was not collected: it vanished.' }]);
  });
});

describe('bounds', () => {
  it('ends with a code beyond the number of files or bytes', async () => {
    files('a', 'b', 'c');
    await expect(collect({ maxFiles: 2 })).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
    await expect(collect({ maxBytes: 20 })).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_LIMIT' });
    expect(await collect({ maxFiles: 3, maxBytes: 36 })).toHaveLength(3);
  });

  it('stops when it is aborted', async () => {
    files('a', 'b');
    await expect(collect({}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

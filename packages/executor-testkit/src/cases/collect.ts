import assert from 'node:assert/strict';
import { caseOf } from '../case.js';
import type { CollectedFile } from '../test-sandbox.js';

const collect = caseOf('collect');
const pathsOf = (found: readonly CollectedFile[]) => found.map(({ entry }) => entry.path);

export const collectCases = [
  collect('files', 'streams files out with their path, size, mode and bytes', async (context) => {
    const box = await context.sandbox();
    await box.ok(
      'mkdir -p out/deep; printf one > out/a.txt; printf "\\000\\377" > out/deep/b.bin; chmod 750 out/deep/b.bin; : > c',
    );
    const found = await box.collect({ include: ['out/**'] });
    const seen = found.map(({ entry, bytes }) => ({
      path: entry.path,
      size: entry.kind === 'file' && entry.size,
      mode: entry.kind === 'file' && (entry.mode & 0o777).toString(8),
      bytes: bytes.toString('hex'),
    }));
    assert.deepEqual(seen[1], { path: 'out/deep/b.bin', size: 2, mode: '750', bytes: '00ff' });
    assert.deepEqual({ ...seen[0], mode: undefined }, { path: 'out/a.txt', size: 3, mode: undefined, bytes: '6f6e65' });
    assert.equal(seen.length, 2);
  }),

  collect('globs', 'takes what include matches and exclude does not', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir -p a/b; for f in x.log a/y.log a/b/z.log a/b/z.tmp; do echo $f > $f; done');
    assert.deepEqual(pathsOf(await box.collect({ include: ['*.log'] })), ['x.log']);
    assert.deepEqual(pathsOf(await box.collect({ include: ['**/*.log'] })), ['a/b/z.log', 'a/y.log', 'x.log']);
    assert.deepEqual(pathsOf(await box.collect({ include: ['a'], exclude: ['**/*.tmp'] })), ['a/b/z.log', 'a/y.log']);
    assert.deepEqual(pathsOf(await box.collect({ include: ['a/?.log', 'a/y.log'] })), ['a/y.log']);
  }),

  collect('nothing', 'yields nothing where nothing matches', async (context) => {
    const box = await context.sandbox();
    assert.deepEqual(await box.collect({ include: ['none/**', '*.none'] }), []);
  }),

  collect('dotfiles', 'matches a leading dot with * only when it is told to', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir -p d/.hidden; : > d/.env; : > d/.hidden/in; : > d/plain');
    assert.deepEqual(pathsOf(await box.collect({ include: ['d/**'] })), ['d/plain']);
    const all = ['d/.env', 'd/.hidden/in', 'd/plain'];
    assert.deepEqual(pathsOf(await box.collect({ include: ['d/**'], dotfiles: true })), all);
    assert.deepEqual(pathsOf(await box.collect({ include: ['d/.env'] })), ['d/.env']);
  }),

  collect('git', 'leaves .git of the root alone unless a pattern names it', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir -p .git sub/.git; echo secret > .git/config; : > sub/.git/config; : > file');
    const found = pathsOf(await box.collect({ include: ['**'], dotfiles: true }));
    assert.ok(!found.includes('.git/config'), 'a pattern that does not name .git matched it');
    assert.ok(found.includes('file'));
    assert.deepEqual(pathsOf(await box.collect({ include: ['.git/config'] })), ['.git/config']);
  }),

  collect('many', 'streams ten thousand files', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir many; i=0; while [ $i -lt 10000 ]; do echo $i > many/$i; i=$((i+1)); done');
    const found = await box.collect({ include: ['many/**'] });
    assert.equal(found.length, 10_000);
    for (const { entry, bytes } of found) assert.equal(`many/${bytes.toString().trim()}`, entry.path);
  }),

  collect('big', 'streams a large file whole', async (context) => {
    const box = await context.sandbox();
    await box.ok('head -c 20000000 /dev/zero | tr "\\0" y > big; printf end >> big');
    const [found] = await box.collect({ include: ['big'] });
    assert.equal(found?.bytes.length, 20_000_003);
    assert.equal(found.bytes.subarray(-4).toString(), 'yend');
  }),

  collect('unread', 'goes on when a body is not read, and stops when the reader does', async (context) => {
    const box = await context.sandbox();
    await box.ok('for i in 1 2 3 4; do echo $i > f$i; done');
    const paths: string[] = [];
    for await (const entry of box.stream({ include: ['f*'] })) paths.push(entry.path);
    assert.deepEqual(paths.toSorted(), ['f1', 'f2', 'f3', 'f4']);
    for await (const entry of box.stream({ include: ['f*'] })) {
      assert.equal(entry.kind, 'file');
      break;
    }
    assert.equal((await box.collect({ include: ['f*'] })).length, 4);
  }),

  collect('after-failure', 'works after a step that failed, and after one that was cancelled', async (context) => {
    const box = await context.sandbox();
    await box.sh('echo report > report; exit 1');
    const step = box.start('echo more > more; echo ready; while :; do sleep 0.05; done');
    await step.output.printed('ready');
    step.abort({ reason: 'user' });
    await step.exit;
    assert.deepEqual(pathsOf(await box.collect({ include: ['*'] })), ['more', 'report']);
  }),

  collect('range', 'lets bytes be read again where it offers ranges', async (context) => {
    const box = await context.sandbox();
    await box.ok('printf 0123456789 > digits');
    const [found] = await box.collect({ include: ['digits'] });
    assert.ok(found?.entry.kind === 'file');
    const { range } = found.entry;
    if (range === undefined) return;
    for (const [start, end] of [
      [0, 10],
      [3, 7],
      [3, 7],
      [9, 10],
      [5, 5],
    ] as const) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of range(start, end)) chunks.push(Buffer.from(chunk));
      assert.equal(Buffer.concat(chunks).toString(), '0123456789'.slice(start, end));
    }
  }),

  collect('limits', 'rejects with RITMO_ARTIFACT_LIMIT beyond its limits', async (context) => {
    const box = await context.sandbox();
    await box.ok('for i in 1 2 3; do printf 12345 > f$i; done');
    assert.equal((await box.collect({ include: ['f*'], maxFiles: 3, maxBytes: 15 })).length, 3);
    await assert.rejects(box.collect({ include: ['f*'], maxFiles: 2 }), { code: 'RITMO_ARTIFACT_LIMIT' });
    await assert.rejects(box.collect({ include: ['f*'], maxBytes: 14 }), { code: 'RITMO_ARTIFACT_LIMIT' });
  }),

  collect('abort', 'stops when it is aborted', async (context) => {
    const box = await context.sandbox();
    await box.ok('for i in 1 2 3 4 5 6 7 8; do echo $i > f$i; done');
    const controller = new AbortController();
    const reading = (async () => {
      for await (const entry of box.stream({ include: ['f*'] }, controller.signal)) {
        if (entry.kind === 'file') controller.abort({ reason: 'user' });
      }
    })();
    await assert.rejects(context.within('an aborted collect', 10_000, reading));
    assert.equal((await box.collect({ include: ['f*'] })).length, 8);
  }),
];

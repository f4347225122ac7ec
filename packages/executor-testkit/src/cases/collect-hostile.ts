import assert from 'node:assert/strict';
import { caseOf } from '../case.js';
import type { CollectedFile } from '../test-sandbox.js';

const collect = caseOf('collect');
const given = (found: readonly CollectedFile[]) => found.filter(({ entry }) => entry.kind !== 'refused');

export const collectHostileCases = [
  collect('links', 'gives links that stay inside, as links', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir out; echo text > out/file; ln -s file out/link; ln -s ../out/file out/round');
    const found = await box.collect({ include: ['out/**'] });
    const seen = found.map(({ entry }) => [entry.path, entry.kind, entry.kind === 'link' ? entry.target : '']);
    assert.deepEqual(seen, [
      ['out/file', 'file', ''],
      ['out/link', 'link', 'file'],
      ['out/round', 'link', '../out/file'],
    ]);
  }),

  collect('links-out', 'refuses links that leave the workspace, and follows none', async (context) => {
    const box = await context.sandbox();
    await box.ok(
      'mkdir out; ln -s /etc/passwd out/absolute; ln -s ../../../../../../../../etc/passwd out/relative; ln -s /etc out/folder; ln -s .. out/up; echo fine > out/fine',
    );
    const found = await box.collect({ include: ['out/**'] });
    assert.deepEqual(
      given(found)
        .map(({ entry }) => entry.path)
        .filter((path) => !/^out\/(fine|up)$/.test(path)),
      [],
    );
    for (const path of ['out/absolute', 'out/relative', 'out/folder']) {
      const refused = found.find(({ entry }) => entry.path === path)?.entry;
      assert.equal(refused?.kind, 'refused', `${path} was not refused by name`);
      assert.notEqual(refused.kind === 'refused' && refused.why.trim(), '', 'a refusal must say why');
    }
  }),

  collect('through-link', 'gives nothing through a folder that is a link', async (context) => {
    const box = await context.sandbox();
    await box.ok('ln -s /etc out; mkdir real; ln -s / real/root');
    for (const include of ['out/passwd', 'out/*', 'out', 'real/root/etc/passwd', 'real/**/passwd']) {
      const files = given(await box.collect({ include: [include] })).filter(({ entry }) => entry.kind === 'file');
      assert.deepEqual(
        files.map(({ entry }) => entry.path),
        [],
        `through the pattern ${include}`,
      );
    }
  }),

  collect('outside', 'gives nothing by a pattern that leaves the workspace', async (context) => {
    const box = await context.sandbox();
    for (const include of ['../**', '/etc/passwd', 'x/../../**', '..']) {
      const found = await box.collect({ include: [include] }).catch(() => []);
      assert.deepEqual(given(found), [], `by the pattern ${include}`);
    }
  }),

  collect('special', 'refuses what is not a file, and does not wait for it', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir out; mkfifo out/fifo; echo text > out/file');
    const found = await context.within('collect', 15_000, box.collect({ include: ['out/**'] }));
    const seen = found.map(({ entry }) => [entry.path, entry.kind]);
    assert.deepEqual(seen, [
      ['out/fifo', 'refused'],
      ['out/file', 'file'],
    ]);
  }),

  collect('names', 'keeps odd names as they are', async (context) => {
    const box = await context.sandbox();
    const names = ['-dash', 'a b', 'new\nline', 'qu\'ote"s', 'st*r', 'é€𝄞', '[x]', '{a,b}', 'back\\slash'];
    await box.ok('mkdir out; for n in "$@"; do printf %s "$n" > "out/$n"; done', { args: names });
    const found = await box.collect({ include: ['out/**'] });
    for (const { entry, bytes } of found) assert.equal(entry.path, `out/${bytes.toString()}`);
    assert.equal(found.length, names.length);
  }),

  collect('bytes-names', 'gives the bytes of a name that is not UTF-8', async (context) => {
    const box = await context.sandbox();
    await box.ok(String.raw`mkdir out; printf text > "out/$(printf 'bad-\377-name')"`);
    const [found] = await box.collect({ include: ['out/**'] });
    assert.ok(found?.entry.kind === 'file', 'the file was not given');
    assert.equal(found.bytes.toString(), 'text');
    const expected = Buffer.concat([Buffer.from('out/bad-'), Buffer.from([0xff]), Buffer.from('-name')]);
    assert.deepEqual(Buffer.from(found.entry.pathBytes ?? []), expected);
  }),

  collect('unreadable', 'gives or refuses a file that its owner may not read, and goes on', async (context) => {
    const box = await context.sandbox();
    await box.ok('mkdir out; echo no > out/closed; chmod 000 out/closed; echo yes > out/open');
    const found = await box.collect({ include: ['out/**'] });
    assert.deepEqual(
      found.map(({ entry }) => entry.path),
      ['out/closed', 'out/open'],
    );
    assert.equal(found[1]?.bytes.toString(), 'yes\n');
  }),
];

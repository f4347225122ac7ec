import assert from 'node:assert/strict';
import { appendAnswer } from '@ritmo/protocol';
import { caseOf } from '../case.js';
import { assertShape } from '../shape.js';

const log = caseOf('log');
const line = (text: string) => `${JSON.stringify({ k: 'note', m: text })}\n`;
const three = line('one') + line('two') + line('three');

export const logCases = [
  log('bytes', 'keeps what is appended, in order, byte for byte', async (context) => {
    const build = await context.build();
    let next = 0;
    for (const text of ['one', 'é€𝄞', 'a\u0000b', '']) {
      const answer = await build.append(next, line(text));
      assertShape('the answer to an append', appendAnswer, answer);
      next = answer.next;
    }
    assert.equal(await context.log(build), ['one', 'é€𝄞', 'a\u0000b', ''].map(line).join(''));
  }),

  log('cut', 'keeps bytes that are cut anywhere, also within a character', async (context) => {
    const build = await context.build();
    const bytes = Buffer.from(line('é€𝄞'.repeat(20)));
    let next = 0;
    for (let at = 0; at < bytes.length; at += 7) next = await build.send(bytes.subarray(at, at + 7), next);
    assert.equal(await context.log(build), bytes.toString());
  }),

  log(
    'much',
    'keeps what is appended megabytes at a time, in as many calls as it likes',
    async (context) => {
      const build = await context.build();
      const bytes = Buffer.from(Array.from({ length: 90_000 }, (_, i) => line(`line ${i} of a loud build`)).join(''));
      assert.equal(await build.send(bytes), bytes.length);
      assert.equal((await context.log(build)).length, bytes.length, 'not all of it arrived');
      assert.ok((await context.log(build)) === bytes.toString(), 'other bytes arrived than were sent');
    },
    { limitMs: 60_000 },
  ),

  log('repeat', 'takes the same bytes once, however often they come', async (context) => {
    const build = await context.build();
    const answers = [await build.append(0, three), await build.append(0, three), await build.append(0, three)];
    assert.deepEqual(
      answers.map(({ next }) => next),
      [three.length, three.length, three.length],
    );
    assert.equal(await context.log(build), three);
  }),

  log('overlap', 'skips what it has, and takes the rest', async (context) => {
    const build = await context.build();
    await build.send(three.slice(0, 20));
    assert.equal((await build.append(5, three.slice(5))).next, three.length);
    assert.equal(await context.log(build), three);
    assert.equal((await build.append(3, three.slice(3, 9))).next, three.length, 'an old piece says where to go on');
    assert.equal(await context.log(build), three);
  }),

  log('gap', 'takes nothing after a gap, and says where to go on', async (context) => {
    const build = await context.build();
    await build.send(three.slice(0, 10));
    assert.equal((await build.append(11, three.slice(11))).next, 10);
    assert.equal(await context.log(build), three.slice(0, 10));
    assert.equal((await build.append(10, three.slice(10))).next, three.length);
    assert.equal(await context.log(build), three);
  }),

  log('offset', 'says how much it has, without being sent anything', async (context) => {
    const build = await context.build();
    assert.equal(await build.offset(), 0);
    await build.send(three);
    assert.equal(await build.offset(), three.length);
    assert.equal((await build.append(three.length, '')).next, three.length, 'no bytes change nothing');
    assert.equal(await context.log(build), three);
  }),
];

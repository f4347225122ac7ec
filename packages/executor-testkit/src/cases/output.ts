import assert from 'node:assert/strict';
import { caseOf } from '../case.js';

const output = caseOf('output');

export const outputCases = [
  output('order', 'delivers every line of each stream in its order', async (context) => {
    const box = await context.sandbox();
    const { exit, output: out } = await box.sh(
      'i=0; while [ $i -lt 2000 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done',
    );
    assert.deepEqual(exit.status, 'exited');
    const separate = context.executor.capabilities.separateStderr;
    const linesOf = (text: string, stream: string) => text.split('\n').filter((line) => line.startsWith(stream));
    const expected = (stream: string) => Array.from({ length: 2000 }, (_, i) => `${stream} ${i}`);
    assert.deepEqual(linesOf(out.stdout, 'out'), expected('out'));
    assert.deepEqual(linesOf(separate ? out.stderr : out.stdout, 'err'), expected('err'));
  }),

  output('streams', 'tells stdout from stderr exactly when it declares so', async (context) => {
    const box = await context.sandbox();
    const { output: out } = await box.sh('echo one; echo two >&2');
    if (context.executor.capabilities.separateStderr) {
      assert.deepEqual([out.stdout, out.stderr], ['one\n', 'two\n']);
    } else {
      assert.equal(out.stderr, '', 'stderr is written to although separateStderr is not declared');
      assert.equal(out.stdout, 'one\ntwo\n');
    }
  }),

  output('multibyte', 'delivers characters whole that were printed byte by byte', async (context) => {
    const box = await context.sandbox();
    const text = await box.ok(String.raw`for b in 303 251 342 202 254 360 235 204 236; do printf "\\$b"; done`);
    assert.equal(text, 'é€𝄞');
  }),

  output('binary', 'delivers every byte value as it is', async (context) => {
    const box = await context.sandbox();
    const all = Array.from({ length: 256 }, (_, i) => `\\${i.toString(8).padStart(3, '0')}`).join('');
    const { output: out } = await box.sh(`printf '${all}'`);
    assert.deepEqual(out.bytes('stdout'), Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  }),

  output('no-newline', 'delivers the last line although no newline ends it', async (context) => {
    const box = await context.sandbox();
    assert.equal(await box.ok('printf "one\\ntwo"'), 'one\ntwo');
    assert.equal(await box.ok(':'), '');
  }),

  output('live', 'delivers output while the step still runs', async (context) => {
    const box = await context.sandbox();
    const step = box.start('printf partial; while :; do sleep 0.05; done');
    await context.within('the first output', 10_000, step.output.printed('partial'));
    step.abort({ reason: 'user' });
    assert.equal((await step.exit).status, 'cancelled');
  }),

  output('last-words', 'delivers all that was printed right before the exit', async (context) => {
    const box = await context.sandbox();
    for (let i = 0; i < 10; i++) {
      const text = await box.ok('head -c 200000 /dev/zero | tr "\\0" x; printf end');
      assert.equal(text.length, 200_003);
      assert.ok(text.endsWith('xend'), 'the end of the output is missing');
    }
  }),
];

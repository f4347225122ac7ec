import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { caseOf } from '../case.js';

const output = caseOf('output');
const mebibyte = 2 ** 20;
/** A write for each of many chunks, and each waits. */
const limitMs = 60_000;

export const outputFlowCases = [
  output(
    'backpressure',
    'holds the process back while the writer is slow, in bounded memory',
    async (context) => {
      const box = await context.sandbox();
      const collectGarbage = garbageCollector();
      const held = () => {
        collectGarbage();
        return process.memoryUsage().arrayBuffers;
      };
      const before = held();
      let bytes = 0;
      let peak = 0;
      let writing = 0;
      let overlapping = 0;
      let sampledAt = 0;
      const { exit } = await box.sh(`head -c ${64 * mebibyte} /dev/zero`, {
        limitMs,
        writer: {
          write: async (_, chunk) => {
            writing += 1;
            if (writing > 1) overlapping += 1;
            bytes += chunk.length;
            await sleep(1);
            if (bytes - sampledAt >= 4 * mebibyte) {
              sampledAt = bytes;
              peak = Math.max(peak, held() - before);
            }
            writing -= 1;
          },
        },
      });
      assert.equal(exit.status, 'exited');
      assert.equal(bytes, 64 * mebibyte);
      assert.equal(overlapping, 0, 'the writer was written to before it had taken the last chunk');
      assert.ok(peak < 24 * mebibyte, `${Math.round(peak / mebibyte)} MiB of output were waiting in memory`);
    },
    { limitMs },
  ),

  output('settled-after-writes', 'settles only after the writer has taken everything', async (context) => {
    const box = await context.sandbox();
    let taken = '';
    const { exit } = await box.sh('printf slow', {
      writer: {
        write: async (_, chunk) => {
          const text = Buffer.from(chunk).toString();
          // Far longer than what is left of a step that has printed its last takes to end.
          await sleep(context.ms(1_000));
          taken += text;
        },
      },
    });
    assert.equal(exit.status, 'exited');
    assert.equal(taken, 'slow');
  }),

  output(
    'background',
    'ends the step with its main process, although a child of it holds stdout open',
    async (context) => {
      const box = await context.sandbox();
      const { exit, output: out } = await box.sh('sleep 600 & echo main; exit 3');
      assert.equal(exit.status === 'exited' ? exit.code : exit.status, 3);
      assert.equal(out.stdout, 'main\n');
    },
  ),

  output('nothing-late', 'writes nothing once the step has settled', async (context) => {
    const box = await context.sandbox();
    const flood = '(while :; do echo background; : > begun; done) & while [ ! -e begun ]; do :; done; echo main';
    const { exit, output: out } = await box.sh(flood);
    assert.equal(exit.status, 'exited');
    await box.ok('echo another step');
    await box.sandbox[Symbol.asyncDispose]();
    assert.equal(out.late, 0, `${out.late} writes came after the step had settled`);
  }),
];

/** What `node --expose-gc` gives, without the flag. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

import assert from 'node:assert/strict';
import type { ExecutorCapabilities, LimitName, StepExit } from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';

const limits = caseOf('limits');
const mebibyte = 2 ** 20;

const declares = (name: LimitName) => ({
  needs: (capabilities: ExecutorCapabilities) =>
    capabilities.limits.includes(name) || (`does not declare the limit ${name}` as const),
});

/** A step that a limit has ended: it did not succeed, and the limit is named. */
function assertHit(exit: StepExit, name: LimitName): void {
  assert.ok(!(exit.status === 'exited' && exit.code === 0), `a step that takes more ${name} than allowed succeeded`);
  const limit = exit.status === 'exited' || exit.status === 'signalled' ? exit.limit : undefined;
  assert.equal(limit, name, `the step ended (${exit.status}) without the name of the limit`);
}

/** Holds that many MiB in the memory of one process until its input ends. */
const hold = (mib: number, seconds: number) =>
  `(head -c ${mib * mebibyte} /dev/zero; sleep ${seconds}) | tail -c ${mib * mebibyte} > /dev/null`;

export const limitsCases = [
  limits(
    'memory',
    'ends a step that takes more memory than its limit, says so, and runs the next',
    async (context) => {
      const box = await context.sandbox({ limits: { memoryBytes: 64 * mebibyte } });
      assertHit((await box.sh(hold(300, 1))).exit, 'memory');
      assert.equal(await box.ok('echo still here'), 'still here\n');
    },
    declares('memory'),
  ),

  limits(
    'memory-of-all',
    'counts the memory of all processes of a step together',
    async (context) => {
      const box = await context.sandbox({ limits: { memoryBytes: 64 * mebibyte } });
      const script = `
        all=
        for i in 1 2 3 4 5 6; do { ${hold(24, 2)}; } & all="$all $!"; done
        bad=0
        for one in $all; do wait $one || bad=1; done
        exit $bad`;
      assertHit((await box.sh(script)).exit, 'memory');
    },
    declares('memory'),
  ),

  limits(
    'pids',
    'stops a step that forks without end, says so, and gives the next step its processes',
    async (context) => {
      const box = await context.sandbox({ limits: { pids: 24 } });
      // A while at the end, for who looks from time to time.
      const { exit, output } = await box.sh(
        'i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done; sleep 2; echo all',
      );
      assert.ok(!output.stdout.includes('all'), '200 processes were made within a limit of 24');
      assertHit(exit, 'pids');
      const few = 'i=0; while [ $i -lt 8 ]; do sleep 0.01 & i=$((i+1)); done; wait; echo still here';
      assert.equal(await box.ok(few), 'still here\n');
    },
    declares('pids'),
  ),

  limits(
    'disk',
    'keeps a step from filling the disk',
    async (context) => {
      const box = await context.sandbox({ limits: { diskBytes: 64 * mebibyte } });
      // Slowly, so that who counts from time to time sees it.
      const { exit, output } = await box.sh(
        `i=0; while [ $i -lt 40 ]; do head -c ${10 * mebibyte} /dev/zero > "f$i" || exit 28; i=$((i+1)); sleep 0.1; done; echo all`,
      );
      assert.ok(!output.stdout.includes('all'), '400 MiB were written within a limit of 64 MiB');
      assert.ok(!(exit.status === 'exited' && exit.code === 0), 'the step succeeded');
    },
    declares('disk'),
  ),

  limits(
    'cpu',
    'gives a step no more CPU time than its limit',
    async (context) => {
      const box = await context.sandbox({ limits: { cpus: 0.25 } });
      const usage = () => context.within('usage', 10_000, box.sandbox.usage(new AbortController().signal));
      await box.ok(':');
      const before = await usage();
      const from = performance.now();
      await box.ok(
        'end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; done',
      );
      const took = performance.now() - from;
      const spent = (await usage()).cpuMs - before.cpuMs;
      assert.ok(spent < took * 0.25 * 1.6 + 100, `${spent} ms of CPU time in ${Math.round(took)} ms, with 0.25 CPUs`);
    },
    declares('cpu'),
  ),

  limits(
    'own-failure',
    'names no limit for a step that failed by itself',
    async (context) => {
      const { limits: declared } = context.executor.capabilities;
      const box = await context.sandbox({
        limits: {
          ...(declared.includes('memory') ? { memoryBytes: 256 * mebibyte } : {}),
          ...(declared.includes('pids') ? { pids: 128 } : {}),
        },
      });
      assert.deepEqual((await box.sh('exit 3')).exit, { status: 'exited', code: 3 });
      const { exit } = await box.sh('kill -KILL $$; sleep 600');
      assert.deepEqual(exit, { status: 'signalled', signal: 'SIGKILL' });
    },
    { needs: (capabilities) => capabilities.limits.length > 0 || 'declares no limit' },
  ),
];

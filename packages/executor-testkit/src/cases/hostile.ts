import assert from 'node:assert/strict';
import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';

const hostile = caseOf('hostile');
/** Where nothing stands between, such a step ends the agent itself. */
const confined = {
  needs: ({ isolation }: ExecutorCapabilities) => isolation !== 'none' || ('declares isolation none' as const),
};

/** Sets $setsid to what starts a program in a session of its own, or to nothing where there is no such tool. */
const findSetsid = 'setsid=$(command -v setsid || :)';

export const hostileCases = [
  hostile('daemons', 'ends a swarm of daemons with the step that forked them', async (context) => {
    const box = await context.sandbox();
    await box.ok(':');
    const before = await context.residue();
    const { exit } = await box.sh(
      `${findSetsid}
      i=0; while [ $i -lt 20 ]; do
        ( $setsid sh -c "trap '' TERM HUP INT; : > up-$i; while :; do sleep 600; done" >&- 2>&- & )
        i=$((i+1))
      done
      i=0; while [ $i -lt 20 ]; do if [ -e up-$i ]; then i=$((i+1)); else sleep 0.01; fi; done
      exit 5`,
    );
    assert.equal(exit.status === 'exited' ? exit.code : exit.status, 5);
    assert.deepEqual(await context.residueSince(before), [], 'a daemon outlived its step');
  }),

  hostile('nameless', 'ends daemons that have cleared their environment', async (context) => {
    const box = await context.sandbox();
    await box.ok(':');
    const before = await context.residue();
    // Where only names and groups can be followed, a daemon may not give up both.
    const leave = context.executor.capabilities.isolation === 'none' ? 'setsid=' : findSetsid;
    const { exit } = await box.sh(
      `${leave}
      ( $setsid env -i /bin/sh -c ": > up; while :; do sleep 600; done" >&- 2>&- & )
      while [ ! -e up ]; do sleep 0.01; done
      exit 6`,
    );
    assert.equal(exit.status === 'exited' ? exit.code : exit.status, 6);
    assert.deepEqual(await context.residueSince(before), [], 'a daemon outlived its step');
  }),

  hostile('flood', 'cancels a step that prints without end', async (context) => {
    const box = await context.sandbox();
    let bytes = 0;
    const controller = new AbortController();
    const { exit } = await box.sh('while :; do echo flood flood flood flood flood flood; done', {
      signal: controller.signal,
      stop: { signal: 'SIGTERM', graceMs: 300 },
      writer: {
        write: (_, chunk) => {
          bytes += chunk.length;
          if (bytes > 2 ** 20) controller.abort({ reason: 'limit' });
        },
      },
    });
    assert.deepEqual([exit.status, exit.status === 'cancelled' && exit.reason], ['cancelled', 'limit']);
  }),

  hostile('closes-output', 'waits for a step that has closed its output', async (context) => {
    const box = await context.sandbox();
    const { exit } = await box.sh('echo first; exec >&- 2>&-; sleep 0.3; echo worked > file; exit 7');
    assert.equal(exit.status === 'exited' ? exit.code : exit.status, 7);
    assert.equal(await box.ok('cat file'), 'worked\n');
  }),

  hostile('kills-group', 'survives a step that kills its own process group', async (context) => {
    const box = await context.sandbox();
    const { exit } = await box.sh('echo ready; kill -KILL 0; sleep 600');
    assert.equal(exit.status, 'signalled');
    assert.equal(await box.ok('echo still here'), 'still here\n');
  }),

  hostile(
    'kills-parent',
    'survives a step that kills whatever it can reach',
    async (context) => {
      for (const target of ['"$PPID"', '-1']) {
        const box = await context.sandbox();
        const [end] = await Promise.allSettled([box.start(`kill -KILL ${target}; exit 8`).exit]);
        if (end.status === 'rejected') assert.equal(end.reason.code, 'RITMO_SANDBOX_BROKEN', String(end.reason));
        else assert.ok(['exited', 'signalled'].includes(end.value.status), end.value.status);
        await box.sandbox[Symbol.asyncDispose]();
        assert.deepEqual(await context.residue(), []);
      }
    },
    confined,
  ),

  hostile('replaces-folder', 'runs and collects although a step has emptied its workspace', async (context) => {
    const box = await context.sandbox();
    await box.sh('rm -rf ./* ./.[!.]* "$HOME" "$TMPDIR"; exit 0');
    assert.deepEqual(await box.collect({ include: ['**'] }), []);
    await box.sandbox[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),
];

import assert from 'node:assert/strict';
import type { CancelReason, StepExit } from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';
import { timed } from '@ritmo/conformance';

const cancel = caseOf('cancel');
const slackMs = 5_000;
/** Waits for ever, and yet runs a trap at once. */
const idle = 'while :; do sleep 0.05; done';

function assertCancelled(end: StepExit, reason: CancelReason, forced?: boolean): void {
  assert.equal(end.status, 'cancelled');
  if (end.status !== 'cancelled') return;
  assert.equal(end.reason, reason);
  if (forced !== undefined) assert.equal(end.forced, forced, forced ? 'it was not forced' : 'it was forced');
}

export const cancelCases = [
  cancel('before-start', 'runs nothing when it is aborted already', async (context) => {
    const box = await context.sandbox();
    const { exit, output } = await box.sh('echo ran; echo ran > ran', {
      signal: AbortSignal.abort({ reason: 'superseded' }),
    });
    assertCancelled(exit, 'superseded');
    assert.equal(output.all(), '');
    assert.equal(await box.ok('[ ! -e ran ] && echo clean'), 'clean\n');
  }),

  cancel('stops', 'ends a step that heeds the stop signal, and says why it was stopped', async (context) => {
    const box = await context.sandbox();
    for (const reason of ['user', 'step-timeout', 'agent-stopping'] as const) {
      // One process: a child forked just after the executor has looked could miss the signal, and be killed.
      const step = box.start('echo ready; exec sleep 600');
      await step.output.printed('ready');
      step.abort({ reason });
      assertCancelled(await step.exit, reason, false);
    }
  }),

  cancel('trap', 'sends the signal that was asked for, and delivers what the step prints about it', async (context) => {
    const box = await context.sandbox();
    for (const name of ['TERM', 'INT', 'HUP'] as const) {
      const step = box.start(`trap 'echo got ${name}; exit 0' ${name}; echo ready; ${idle}`, {
        stop: { signal: `SIG${name}`, graceMs: context.ms(10_000) },
      });
      await step.output.printed('ready');
      step.abort({ reason: 'user' });
      assertCancelled(await step.exit, 'user', false);
      assert.ok(step.output.stdout.endsWith(`got ${name}\n`), `no word of the trap for ${name}`);
    }
  }),

  cancel('tree', 'sends the stop signal to children too', async (context) => {
    const box = await context.sandbox();
    const child = `trap 'echo child stopped; exit 0' TERM; echo child ready; ${idle}`;
    const step = box.start(`trap 'wait; echo parent stopped; exit 0' TERM; (${child}) & wait; ${idle}`, {
      stop: { signal: 'SIGTERM', graceMs: context.ms(3_000) },
    });
    await step.output.printed('child ready');
    step.abort({ reason: 'user' });
    assertCancelled(await step.exit, 'user');
    assert.ok(step.output.stdout.includes('child stopped'), 'the child did not get the stop signal');
  }),

  cancel('forced', 'kills a step that ignores the stop signal once the grace is over', async (context) => {
    const box = await context.sandbox();
    const step = box.start(`trap '' TERM; echo ready; ${idle}`, { stop: { signal: 'SIGTERM', graceMs: 400 } });
    await step.output.printed('ready');
    step.abort({ reason: 'user' });
    const { value, ms } = await timed(step.exit);
    assertCancelled(value, 'user', true);
    // A timer of Node may fire a millisecond early.
    assert.ok(ms >= 390, `killed after ${Math.round(ms)} ms, before the grace of 400 ms was over`);
    assert.ok(ms < 400 + context.ms(slackMs), `took ${Math.round(ms)} ms with a grace of 400 ms`);
  }),

  cancel('grace', 'takes the grace of the cancel rather than that of the step', async (context) => {
    const box = await context.sandbox();
    const step = box.start(`trap '' TERM; echo ready; ${idle}`, {
      stop: { signal: 'SIGTERM', graceMs: context.ms(6_000) },
    });
    await step.output.printed('ready');
    step.abort({ reason: 'lease-lost', graceMs: 100 });
    const { value, ms } = await timed(step.exit);
    assertCancelled(value, 'lease-lost', true);
    assert.ok(ms < 100 + context.ms(slackMs), `took ${Math.round(ms)} ms with a grace of 100 ms`);
  }),

  cancel('grandchild', 'leaves no grandchild, although it ignores the stop signal', async (context) => {
    const box = await context.sandbox();
    await box.ok(':');
    const before = await context.residue();
    const grandchild = `trap '' TERM HUP INT; echo grandchild ready; exec >&- 2>&-; ${idle}`;
    const step = box.start(`( (${grandchild}) & wait ) & wait; ${idle}`, {
      stop: { signal: 'SIGTERM', graceMs: 200 },
    });
    await step.output.printed('grandchild ready');
    step.abort({ reason: 'user' });
    assertCancelled(await step.exit, 'user');
    assert.deepEqual(await context.residueSince(before), [], 'the step left something running');
  }),

  cancel('stopped', 'ends a step that has stopped itself', async (context) => {
    const box = await context.sandbox();
    const step = box.start('echo ready; kill -STOP $$; echo continued', {
      stop: { signal: 'SIGTERM', graceMs: 200 },
    });
    await step.output.printed('ready');
    step.abort({ reason: 'user' });
    assertCancelled(await step.exit, 'user');
  }),

  cancel('twice', 'keeps the first reason when it is aborted again', async (context) => {
    const box = await context.sandbox();
    const step = box.start(`echo ready; ${idle}`);
    await step.output.printed('ready');
    step.abort({ reason: 'user' });
    step.abort({ reason: 'job-timeout', graceMs: 0 });
    assertCancelled(await step.exit, 'user');
  }),

  cancel('after-exit', 'takes an abort after the exit for nothing', async (context) => {
    const box = await context.sandbox();
    const step = box.start('echo fine');
    const end = await step.exit;
    step.abort({ reason: 'user', graceMs: 0 });
    assert.equal(end.status, 'exited');
    assert.equal(await box.ok('echo next'), 'next\n');
  }),

  cancel('race', 'settles with the exit or the cancel when both come at once', async (context) => {
    const box = await context.sandbox();
    for (let i = 0; i < 8; i++) {
      const step = box.start('echo bye');
      await step.output.printed('bye');
      step.abort({ reason: 'user' });
      const end = await step.exit;
      if (end.status === 'exited') assert.equal(end.code, 0);
      else assertCancelled(end, 'user');
    }
  }),

  cancel('next-step', 'runs a cleanup step after a cancelled one', async (context) => {
    const box = await context.sandbox();
    const step = box.start(`echo made > file; echo ready; ${idle}`);
    await step.output.printed('ready');
    step.abort({ reason: 'user' });
    assertCancelled(await step.exit, 'user');
    assert.equal(await box.ok('cat file'), 'made\n');
  }),
];

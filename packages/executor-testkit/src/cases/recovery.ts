import assert from 'node:assert/strict';
import type { CancelCause, Executor, ExecutorCapabilities, Sandbox, StepExit } from '@ritmo/agent-core/executor';
import { Capture } from '../capture.js';
import { caseOf } from '../case.js';
import type { CaseContext } from '../context.js';
import { file, type TestSandbox } from '../test-sandbox.js';

const recovery = caseOf('recovery');
const never = () => new AbortController().signal;
const declared = {
  needs: (capabilities: ExecutorCapabilities) => capabilities.recover || ('does not recover' as const),
  limitMs: 60_000,
};

/** Prints numbered lines until there is a file `enough` in the workspace. */
const counting = 'i=0; until [ -e enough ]; do i=$((i + 1)); echo "line $i"; done; exit 3';

/** Leaves the sandbox, as an agent does that is replaced, and takes it up with the executor of the next one. */
async function handOver(context: CaseContext, box: TestSandbox) {
  const left = box.sandbox.detach?.();
  assert.ok(left, 'a sandbox of an executor that recovers has no detach');
  await context.within('detach', 10_000, left);
  return await takeUp(context, box);
}

async function takeUp(context: CaseContext, box: TestSandbox) {
  const record = box.records.at(-1);
  assert.ok(record, 'the executor recorded nothing');
  const { executor } = await context.openExecutor(context.host);
  const outcome = await context.within('recover', 30_000, recoverWith(executor, JSON.parse(JSON.stringify(record))));
  assert.equal(outcome.outcome, 'adopted', 'a sandbox that was left is gone');
  assert.ok(outcome.outcome === 'adopted');
  context.owned(outcome.sandbox);
  return { executor, sandbox: outcome.sandbox, runningStep: outcome.runningStep };
}

async function recoverWith(executor: Executor, record: Parameters<NonNullable<Executor['recover']>>[0]) {
  const scope = { signal: never(), progress: () => undefined, record: () => Promise.resolve() };
  const outcome = executor.recover?.(record, scope);
  assert.ok(outcome, 'an executor that declares recover has no such method');
  return await outcome;
}

function attach(context: CaseContext, sandbox: Sandbox, step: string) {
  const controller = new AbortController();
  const output = new Capture();
  const stop = { signal: 'SIGTERM', graceMs: context.ms(500) } as const;
  const run = sandbox.attach?.(step, { signal: controller.signal, stop, output });
  assert.ok(run, 'a sandbox that was recovered has no attach');
  const exit: Promise<StepExit> = context.within('the step', 20_000, run).finally(() => output.settle());
  exit.catch(() => undefined);
  return { exit, output, abort: (cause: CancelCause) => controller.abort(cause) };
}

/** Runs a step of a sandbox that was recovered. */
async function next(context: CaseContext, sandbox: Sandbox, script: string): Promise<string> {
  const output = new Capture();
  const argv = [context.subject.shell ?? '/bin/sh', '-c', script] as const;
  const stop = { signal: 'SIGTERM', graceMs: 1_000 } as const;
  const run = sandbox.run({ id: 'next', argv: [...argv], env: {} }, { signal: never(), stop, output });
  const exit = await context.within('the step', 20_000, run);
  assert.deepEqual(exit, { status: 'exited', code: 0 }, `the step after a recovery failed: ${output.all()}`);
  return output.stdout;
}

function assertLines(text: string): void {
  const lines = text.split('\n');
  assert.equal(lines.pop(), '', 'the output ends in the middle of a line');
  const wrong = lines.findIndex((line, index) => line !== `line ${index + 1}`);
  assert.equal(wrong, -1, `after ${wrong} lines stands ${JSON.stringify(lines[wrong])}`);
}

export const recoveryCases = [
  recovery(
    'running',
    'a step goes on under the next agent, which hears all of it that the one before has not',
    async (context) => {
      const box = await context.sandbox();
      const step = box.start(counting);
      await step.output.printed('line 100\n');
      const { sandbox, runningStep } = await handOver(context, box);
      await assert.rejects(step.exit, { code: 'RITMO_SANDBOX_BROKEN' }, 'a step that was left does not say so');
      assert.equal(runningStep, 'step-1');
      const attached = attach(context, sandbox, 'step-1');
      await attached.output.printed('line ');
      await sandbox.put([enough()], sandbox.workdir, never());
      assert.deepEqual(await attached.exit, { status: 'exited', code: 3 });
      assertLines(step.output.stdout + attached.output.stdout);
      assert.equal(await next(context, sandbox, 'echo after'), 'after\n');
    },
    declared,
  ),

  recovery(
    'ended',
    'a step that ended while there was no agent is told with its code and its last words',
    async (context) => {
      const box = await context.sandbox();
      const step = box.start('echo first; until [ -e enough ]; do sleep 0.05; done; echo last; exit 4');
      await step.output.printed('first\n');
      await box.put([enough()], box.sandbox.workdir);
      const { sandbox, runningStep } = await handOver(context, box);
      assert.equal(runningStep, 'step-1');
      const attached = attach(context, sandbox, 'step-1');
      assert.deepEqual(await attached.exit, { status: 'exited', code: 4 });
      assert.equal(step.output.stdout + attached.output.stdout, 'first\nlast\n');
    },
    declared,
  ),

  recovery(
    'between',
    'a sandbox that runs no step is taken up with its files, and runs the next',
    async (context) => {
      const box = await context.sandbox();
      await box.ok('echo kept > file');
      const { sandbox } = await handOver(context, box);
      assert.equal(await next(context, sandbox, 'cat file'), 'kept\n');
    },
    declared,
  ),

  recovery(
    'cancel',
    'a step that was taken up is stopped as any other, with all its processes',
    async (context) => {
      const box = await context.sandbox();
      const step = box.start("trap '' TERM; sleep 600 & echo ready; while :; do sleep 0.05; done");
      await step.output.printed('ready');
      const { sandbox } = await handOver(context, box);
      const attached = attach(context, sandbox, 'step-1');
      attached.abort({ reason: 'user' });
      assert.deepEqual(await attached.exit, { status: 'cancelled', reason: 'user', forced: true });
      assert.equal(await next(context, sandbox, 'echo after'), 'after\n');
    },
    declared,
  ),

  recovery(
    'sweep',
    'the sweep of the next agent spares what it took up, and a sandbox that was disposed is gone',
    async (context) => {
      const box = await context.sandbox();
      const { sandbox, executor } = await handOver(context, box);
      const report = await executor.sweep(new Set([sandbox.id]), never());
      assert.deepEqual(report, { removed: [], failed: [] });
      assert.equal(await next(context, sandbox, 'echo works'), 'works\n');
      await sandbox[Symbol.asyncDispose]();
      const record = box.records.at(-1);
      assert.ok(record);
      assert.deepEqual(await recoverWith(executor, record), { outcome: 'gone' });
    },
    declared,
  ),
];

const enough = () => file('enough', '');

import assert from 'node:assert/strict';
import { caseOf } from '../case.js';

const dispose = caseOf('dispose');
const never = () => new AbortController().signal;
const none: ReadonlySet<string> = new Set();

export const sweepCases = [
  dispose('sweep', 'sweeps what an earlier agent of the same installation left behind', async (context) => {
    const box = await context.sandbox();
    const step = box.start("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    await step.output.printed('ready');
    const { executor } = await context.openExecutor(context.host);
    const report = await context.within('sweep', 60_000, executor.sweep(none, never()));
    assert.deepEqual([...report.removed], [box.request.sandboxId]);
    assert.deepEqual(report.failed, []);
    assert.deepEqual(await context.residue(), []);
    await Promise.allSettled([step.exit]);
  }),

  dispose('sweep-volume', 'sweeps a volume that was never prepared', async (context) => {
    const request = context.request();
    await context.allocate(request);
    const { executor } = await context.openExecutor(context.host);
    const report = await context.within('sweep', 60_000, executor.sweep(none, never()));
    assert.deepEqual([...report.removed], [request.sandboxId]);
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('sweep-again', 'finds nothing to sweep the second time', async (context) => {
    assert.deepEqual((await context.executor.sweep(none, never())).removed, []);
    await context.sandbox();
    const { executor } = await context.openExecutor(context.host);
    await executor.sweep(none, never());
    assert.deepEqual(await executor.sweep(none, never()), { removed: [], failed: [] });
  }),

  dispose('sweep-keep', 'spares what it is told to keep', async (context) => {
    const [kept, other] = [await context.sandbox(), await context.sandbox()];
    const { executor } = await context.openExecutor(context.host);
    const report = await executor.sweep(new Set([kept.request.sandboxId]), never());
    assert.deepEqual([...report.removed], [other.request.sandboxId]);
    assert.equal(await kept.ok('echo works'), 'works\n');
  }),

  dispose('sweep-foreign', 'never touches what belongs to another installation', async (context) => {
    const { executor } = await context.openExecutor();
    const foreign = await context.sandbox({}, undefined, executor);
    await foreign.ok('echo precious > file');
    const step = foreign.start('trap "cat file; exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    await step.output.printed('ready');
    const report = await context.executor.sweep(none, never());
    assert.deepEqual(report.removed, []);
    step.abort({ reason: 'user' });
    assert.equal((await step.exit).status, 'cancelled', 'the step of another installation was ended');
    assert.ok(step.output.stdout.endsWith('precious\n'), 'the workspace of another installation was touched');
  }),
];

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { caseOf } from '../case.js';

const probe = caseOf('probe');
const never = () => new AbortController().signal;

export const probeCases = [
  probe('report', 'reports health with a sentence and flat facts', async ({ executor, within }) => {
    const report = await within('probe', 30_000, executor.probe(never()));
    assert.ok(['healthy', 'degraded'].includes(report.health), `opened, and yet ${report.health}: ${report.detail}`);
    assert.notEqual(report.detail.trim(), '', 'detail must be a sentence');
    for (const [name, value] of Object.entries(report.facts)) {
      assert.ok(['string', 'number', 'boolean'].includes(typeof value), `the fact ${name} is not a plain value`);
    }
  }),

  probe('only-reads', 'makes nothing and keeps nothing open, called again and again', async (context) => {
    await context.executor.probe(never());
    const before = await context.residue();
    const openBefore = await openFiles();
    for (let i = 0; i < 30; i++) await context.within('probe', 30_000, context.executor.probe(never()));
    assert.deepEqual(await context.residueSince(before), [], 'probing made something');
    const grown = (await openFiles()) - openBefore;
    assert.ok(grown < 20, `30 probes left ${grown} more files or sockets open`);
  }),

  probe('while-running', 'may be called while a step runs, which does not notice', async (context) => {
    const box = await context.sandbox();
    const step = box.start('echo ready; while :; do sleep 0.05; done');
    await step.output.printed('ready');
    await context.within('probe', 30_000, context.executor.probe(never()));
    step.abort({ reason: 'user' });
    assert.equal((await step.exit).status, 'cancelled');
  }),

  probe('aborted', 'settles at once when its signal is aborted, and works again afterwards', async (context) => {
    const aborted = AbortSignal.abort(new Error('enough'));
    const probing = (async () => context.executor.probe(aborted))();
    await context.within('an aborted probe', 5_000, Promise.allSettled([probing]));
    const report = await context.within('probe', 30_000, context.executor.probe(never()));
    assert.ok(['healthy', 'degraded'].includes(report.health));
  }),
];

/** Open descriptors of this process; always 0 where there is no /proc. */
async function openFiles(): Promise<number> {
  const names = await readdir('/proc/self/fd').catch(() => []);
  return names.length;
}

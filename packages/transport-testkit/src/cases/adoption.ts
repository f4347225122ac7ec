import assert from 'node:assert/strict';
import { adoption as adoptionSchema } from '@ritmo/protocol';
import { caseOf, needs } from '../case.js';
import type { CaseContext } from '../context.js';
import { KitBuild } from '../build.js';
import { assertShape } from '../shape.js';

const adoption = caseOf('adoption');
const begun = '{"k":"begun"}\n';

/** A worker that is back after its death, and the build that it had. */
async function backWithABuild(context: CaseContext) {
  const build = await context.build();
  await build.send(begun);
  const worker = await context.back(build.worker);
  const { jobId, epoch } = build.lease;
  const leases = worker.registration?.leases.map((lease) => ({ jobId: lease.jobId, epoch: lease.epoch }));
  assert.deepEqual(leases, [{ jobId, epoch }], 'the registration must name the lease that this worker still holds');
  return { worker, lease: build.lease };
}

export const adoptionCases = [
  adoption(
    'run',
    'offers a job again to the worker that has it, after its restart',
    async (context) => {
      const { worker, lease } = await backWithABuild(context);
      const answer = await worker.adopt(lease, 'run');
      assertShape('the answer to adopt', adoptionSchema, answer);
      assert.ok(answer.offer !== undefined, 'intent run is answered with the offer');
      assert.equal(answer.offer.lease.epoch, lease.epoch, 'it is the same attempt');
      const build = worker.buildOf(answer.offer);
      assert.equal(await build.offset(), begun.length, 'the log goes on where it was');
      await build.send('{"k":"more"}\n', begun.length);
      await build.finish();
      assert.equal(await context.log(build), `${begun}{"k":"more"}\n`);
      assert.equal((await context.ended(lease.jobId))?.outcome, 'succeeded');
    },
    needs('adoption'),
  ),

  adoption(
    'finish',
    'lets a worker say after its restart how a job ended',
    async (context) => {
      const { worker, lease } = await backWithABuild(context);
      const answer = await worker.adopt(lease, 'finish');
      assertShape('the answer to adopt', adoptionSchema, answer);
      assert.ok(answer.jobToken !== undefined, 'intent finish is answered with a job token');
      const build = new KitBuild(worker, { ...lease, token: answer.jobToken });
      const all = `${begun}{"k":"end"}\n`;
      await build.send(all.slice(begun.length), begun.length);
      assert.equal(await build.seal(all), undefined);
      const failure = { code: 'RITMO_AGENT_CRASHED', message: 'The agent died.', retryable: false };
      await build.finish({ outcome: 'errored', failure });
      assert.equal(await context.log(build), all);
      assert.equal((await context.ended(lease.jobId))?.code, 'RITMO_AGENT_CRASHED');
    },
    needs('adoption'),
  ),

  adoption(
    'drop',
    'takes a job back that its worker knows nothing of after its restart',
    async (context) => {
      const { worker, lease } = await backWithABuild(context);
      assertShape('the answer to adopt', adoptionSchema, await worker.adopt(lease, 'drop'));
      const after = await worker.adopt(lease, 'run');
      assert.equal(after.code, 'RITMO_FENCED', 'what was dropped is nobody’s');
      assert.equal(after.offer, undefined);
    },
    needs('adoption'),
  ),

  adoption('unknown', 'refuses a lease that this worker never had', async (context) => {
    const worker = await context.worker();
    for (const intent of ['run', 'finish'] as const) {
      const answer = await worker.adopt({ jobId: 'kit-nobody', epoch: 1 }, intent);
      assert.deepEqual(answer, { jobId: 'kit-nobody', epoch: 1, code: 'RITMO_FENCED' });
    }
  }),
];

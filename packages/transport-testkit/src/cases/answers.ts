import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { caseOf, needs } from '../case.js';

const answers = caseOf('answers');
const text = '{"k":"note","m":"said once"}\n';

export const answerCases = [
  answers(
    'claim',
    'tries a claim again whose answer was lost, and no job is lost with it',
    async (context) => {
      const jobId = await context.submit();
      const worker = await context.worker();
      context.place.loseAnswer?.();
      const build = await worker.claimOne(randomUUID());
      assert.equal(build.lease.jobId, jobId);
      await build.accept();
    },
    needs('loseAnswer'),
  ),

  answers(
    'writes',
    'tries every write again whose answer was lost, and each counts once',
    async (context) => {
      const jobId = await context.submit();
      const worker = await context.worker();
      const build = await worker.claimOne();
      const steps: ReadonlyArray<() => Promise<unknown>> = [
        () => build.accept(),
        () => worker.heartbeat([build.lease]),
        () => build.send(text),
        () => build.offset(),
        () => build.seal(text),
        () => build.finish(),
      ];
      for (const step of steps) {
        context.place.loseAnswer?.();
        await step();
      }
      assert.equal(await context.log(build), text);
      assert.equal((await context.ended(jobId))?.outcome, 'succeeded');
    },
    needs('loseAnswer'),
  ),
];

import assert from 'node:assert/strict';
import { caseOf, needs } from '../case.js';
import { assertFenced } from '../refusals.js';

const lease = caseOf('lease');

export const leaseCases = [
  lease('accept', 'takes an accept, and takes it again', async (context) => {
    const build = await context.build();
    await build.accept();
    assert.equal(await context.ended(build.lease.jobId), undefined, 'a job that was accepted has not ended');
  }),

  lease(
    'release',
    'hands a job out again that was handed back, as a new attempt',
    async (context) => {
      const jobId = await context.submit();
      const worker = await context.worker();
      const first = await worker.claimOne();
      await first.release();
      const second = await worker.claimOne();
      assert.equal(second.lease.jobId, jobId);
      assert.ok(
        second.lease.epoch > first.lease.epoch,
        `the attempt after ${first.lease.epoch} has epoch ${second.lease.epoch}; it must be higher`,
      );
      await second.accept();
    },
    needs('again'),
  ),

  lease(
    'released-once',
    'hands a job out once, however often it was handed back',
    async (context) => {
      await context.submit();
      const worker = await context.worker();
      const first = await worker.claimOne();
      await first.release();
      // The first answer may have been lost. Whether the second is taken or refused, nothing more comes of it.
      await first.release().catch(() => undefined);
      await worker.claimOne();
      assert.deepEqual(await worker.claim(), [], 'the job was offered twice');
    },
    needs('again'),
  ),

  lease(
    'released',
    'takes nothing of a job that was handed back',
    async (context) => {
      const build = await context.build();
      await build.release();
      const { accept: _accept, release: _release, ...writes } = build.writes;
      await assertFenced(context, build, 'of a job that was handed back', writes);
    },
    needs('again'),
  ),

  lease(
    'released-ends',
    'says how a job ended that was handed back, where nobody else can take it',
    async (context) => {
      const build = await context.build();
      await build.release();
      const ending = await context.ended(build.lease.jobId);
      assert.equal(ending?.outcome, 'errored');
      assert.equal(ending.code, 'RITMO_NO_ROOM', 'why it was handed back must be why it did not run');
    },
    { needs: ({ again }) => (again ? 'hands a job out again that was handed back' : true) },
  ),
];

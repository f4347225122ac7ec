import assert from 'node:assert/strict';
import { caseOf, needs } from '../case.js';
import { assertFenced, assertRejects } from '../refusals.js';

const fencing = caseOf('fencing');

export const fencingCases = [
  fencing('epoch', 'refuses every write under an epoch that was not given out', async (context) => {
    const build = await context.build();
    await build.send('{"k":"mine"}\n');
    await assertFenced(context, build.under(build.lease.epoch + 1), 'under an epoch to come');
    assert.equal(await context.log(build), '{"k":"mine"}\n', 'what was refused changed the log');
    await build.finish();
    assert.equal((await context.ended(build.lease.jobId))?.outcome, 'succeeded');
  }),

  fencing('job', 'refuses every write to a job that it does not know', async (context) => {
    const nobody = (await context.build()).ofNobody();
    // A transport with a token for each job may say that this one is of another job.
    const codes = ['RITMO_FENCED', 'RITMO_FORBIDDEN'];
    for (const [name, write] of Object.entries(nobody.writes)) {
      await assertRejects(`${name} to a job that nobody has`, codes, write);
    }
  }),

  fencing(
    'lost',
    'hands a lost job out as a new attempt, and refuses every write of the old one',
    async (context) => {
      const old = await context.build();
      await old.send('{"k":"old"}\n');
      await context.within('lose', 20_000, context.place.lose?.(old.lease.jobId) ?? Promise.resolve());
      const { worker } = old;
      const next = await worker.claimOne();
      assert.equal(next.lease.jobId, old.lease.jobId);
      assert.ok(next.lease.epoch > old.lease.epoch, 'a new attempt must have a higher epoch');
      await next.accept();
      await assertFenced(context, old, 'of an attempt that was lost');
      assert.equal(await next.offset(), 0, 'a new attempt has a log of its own, which is empty');
      await next.send('{"k":"new"}\n');
      assert.equal(await context.log(next), '{"k":"new"}\n');
      await next.finish();
      assert.equal((await context.ended(old.lease.jobId))?.outcome, 'succeeded');
    },
    needs('lose', 'again'),
  ),

  fencing(
    'lost-heartbeat',
    'tells a worker by its heartbeat that a job is no longer its own',
    async (context) => {
      const old = await context.build();
      await context.within('lose', 20_000, context.place.lose?.(old.lease.jobId) ?? Promise.resolve());
      const next = await old.worker.claimOne();
      await next.accept();
      const { jobs } = await old.worker.heartbeat([old.lease, next.lease]);
      const verdicts = new Map(jobs.map(({ epoch, verdict }) => [epoch, verdict]));
      assert.equal(verdicts.get(old.lease.epoch), 'fenced', 'the verdict on the old attempt');
      assert.equal(verdicts.get(next.lease.epoch), 'keep', 'the verdict on the new attempt');
    },
    needs('lose', 'again'),
  ),
];

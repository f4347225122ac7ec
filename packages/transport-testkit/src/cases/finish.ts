import assert from 'node:assert/strict';
import type { JobResult } from '@ritmo/protocol';
import { caseOf, needs } from '../case.js';

const finish = caseOf('finish');
const failure = (code: string) => ({ code, message: 'Said by the kit.', retryable: false });

/** How builds end, and what is to be seen of it. */
const endings: Readonly<Record<string, Pick<JobResult, 'outcome' | 'exitCode' | 'failure'>>> = {
  succeeded: { outcome: 'succeeded', exitCode: 0 },
  failed: { outcome: 'failed', exitCode: 42, failure: failure('RITMO_STEP_FAILED') },
  timed_out: { outcome: 'timed_out', failure: failure('RITMO_JOB_TIMEOUT') },
  errored: { outcome: 'errored', failure: failure('RITMO_INTERNAL') },
};

export const finishCases = [
  ...Object.entries(endings).map(([outcome, ending]) =>
    finish(outcome, `shows that a build ended as ${outcome}`, async (context) => {
      const build = await context.build();
      await build.finish(ending);
      const seen = await context.ended(build.lease.jobId);
      assert.equal(seen?.outcome, outcome);
      assert.equal(seen.exitCode, ending.exitCode);
      assert.equal(seen.code, ending.failure?.code);
    }),
  ),

  finish('once', 'takes the same end again, and lets the first one stand', async (context) => {
    const build = await context.build();
    await build.finish({ exitCode: 0 });
    await build.finish({ exitCode: 0 });
    // A second, different end is taken or refused, and changes nothing.
    await build
      .finish({ outcome: 'failed', exitCode: 9, failure: failure('RITMO_STEP_FAILED') })
      .catch(() => undefined);
    const seen = await context.ended(build.lease.jobId);
    assert.deepEqual({ outcome: seen?.outcome, exitCode: seen?.exitCode }, { outcome: 'succeeded', exitCode: 0 });
  }),

  finish('not-yet', 'shows no end before there is one', async (context) => {
    const build = await context.build();
    await build.send('{"k":"note"}\n');
    await build.seal('{"k":"note"}\n');
    assert.equal(await context.ended(build.lease.jobId), undefined);
  }),

  finish(
    'next',
    'goes on with the next job',
    async (context) => {
      const first = await context.build();
      await first.finish();
      const jobId = await context.submit();
      const second = await first.worker.claimOne();
      assert.equal(second.lease.jobId, jobId);
      await second.accept();
      await second.send('{"k":"second"}\n');
      await second.finish({ outcome: 'failed', exitCode: 3, failure: failure('RITMO_STEP_FAILED') });
      assert.equal((await context.ended(first.lease.jobId))?.outcome, 'succeeded');
      assert.equal((await context.ended(jobId))?.outcome, 'failed');
      assert.equal(await context.log(first), '');
      assert.equal(await context.log(second), '{"k":"second"}\n');
    },
    needs('manyJobs'),
  ),
];

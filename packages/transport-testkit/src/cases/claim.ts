import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { type Offer, offer as offerSchema } from '@ritmo/protocol';
import { caseOf, needs } from '../case.js';
import { assertShape } from '../shape.js';

const claim = caseOf('claim');
const leasesOf = (offers: readonly Offer[]) => offers.map(({ lease: { jobId, epoch } }) => ({ jobId, epoch }));

export const claimCases = [
  claim('offer', 'offers the job that was handed in, whole', async (context) => {
    const jobId = await context.submit({ name: 'a job', steps: [{ run: 'echo one' }, { run: 'echo two' }] });
    const worker = await context.worker();
    const [offer, ...more] = await worker.claim({ waitMs: 10_000 });
    assert.ok(offer !== undefined && more.length === 0, 'one job was handed in, and one must be offered');
    assertShape('the offer', offerSchema, offer);
    assert.equal(offer.lease.jobId, jobId);
    assert.ok(offer.lease.epoch >= 1, 'the first attempt has epoch 1 or more');
    assert.deepEqual([offer.job.name, ...offer.job.steps.map(({ run }) => run)], ['a job', 'echo one', 'echo two']);
  }),

  claim(
    'secrets',
    'delivers the secrets that a job names',
    async (context) => {
      await context.submit({ secrets: [{ name: 'TOKEN' }] }, { TOKEN: 's3cret' });
      const worker = await context.worker();
      const [offer] = await worker.claim({ waitMs: 10_000 });
      assert.deepEqual({ ...offer?.secrets }, { TOKEN: 's3cret' });
    },
    needs('secrets'),
  ),

  claim('repeat', 'gives the same offers to the same request, and their tokens hold', async (context) => {
    await context.submit();
    const worker = await context.worker();
    const requestId = randomUUID();
    const first = await worker.claim({ requestId, waitMs: 10_000 });
    const again = await worker.claim({ requestId });
    assert.deepEqual(leasesOf(again), leasesOf(first), 'a claim whose answer was lost must not lose its job');
    const [offer] = again;
    assert.ok(offer !== undefined);
    await worker.buildOf(offer).accept();
  }),

  claim('once', 'gives a job to one request only', async (context) => {
    await context.submit();
    const worker = await context.worker();
    await worker.claimOne();
    assert.deepEqual(leasesOf(await worker.claim()), []);
  }),

  claim(
    'apart',
    'gives each job to one of several workers that ask at once',
    async (context) => {
      const jobs = await Promise.all(Array.from({ length: 12 }, () => context.submit()));
      const workers = await Promise.all(['one', 'two', 'three', 'four'].map((name) => context.worker(name)));
      const offers = await Promise.all(workers.map((worker) => worker.claim({ max: 12, waitMs: 200 })));
      const given = offers.flat().map(({ lease }) => lease.jobId);
      assert.deepEqual(given.toSorted(), jobs.toSorted(), 'each job must be given once');
    },
    needs('manyJobs', 'manyWorkers'),
  ),

  claim(
    'max',
    'gives no more than was asked for, and the rest to the next request',
    async (context) => {
      const jobs = await Promise.all(Array.from({ length: 5 }, () => context.submit()));
      const worker = await context.worker();
      const first = await worker.claim({ max: 2, waitMs: 10_000 });
      assert.ok(first.length >= 1 && first.length <= 2, `asked for 2 jobs, given ${first.length}`);
      const given = [...first];
      while (given.length < jobs.length) {
        const more = await worker.claim({ max: 5, waitMs: 10_000 });
        assert.ok(more.length > 0, `${jobs.length - given.length} jobs were never offered`);
        given.push(...more);
      }
      assert.deepEqual(given.map(({ lease }) => lease.jobId).toSorted(), jobs.toSorted());
    },
    needs('manyJobs'),
  ),

  claim('nothing', 'answers at once that there is nothing, when it is not to wait', async (context) => {
    await context.submit();
    const worker = await context.worker();
    await worker.claimOne();
    assert.deepEqual(await context.within('a claim that does not wait', 5_000, worker.claim({ waitMs: 0 })), []);
  }),

  claim('waits', 'waits for a job as long as it was told, and no longer', async (context) => {
    await context.submit();
    const worker = await context.worker();
    await worker.claimOne();
    const begun = performance.now();
    const waitMs = 600;
    assert.deepEqual(await context.within('a claim', 10_000, worker.claim({ waitMs })), []);
    const took = performance.now() - begun;
    assert.ok(took >= waitMs / 2, `it answered after ${Math.round(took)} ms; agents would ask without a pause`);
  }),

  claim(
    'wakes',
    'answers a claim that waits as soon as a job comes',
    async (context) => {
      const worker = await context.worker();
      const waiting = worker.claim({ waitMs: 60_000 });
      const jobId = await context.submit();
      const offers = await context.within('the claim, once a job had come,', 15_000, waiting);
      assert.deepEqual(
        offers.map(({ lease }) => lease.jobId),
        [jobId],
      );
    },
    needs('manyJobs'),
  ),

  claim(
    'abort',
    'ends with the reason of its signal, and no job is lost by it',
    async (context) => {
      const worker = await context.worker();
      const stop = new AbortController();
      const reason = new Error('the kit stops waiting');
      const requestId = randomUUID();
      const waiting = worker.claim({ requestId, waitMs: 60_000 }, stop.signal);
      const settled = waiting.then(
        () => assert.fail('a claim that was aborted was answered'),
        (error: unknown) =>
          assert.ok(error === reason, `it must reject with the reason of the signal, as it is, not ${inspect(error)}`),
      );
      stop.abort(reason);
      await context.within('a claim that was aborted', 5_000, settled);
      const jobId = await context.submit();
      const build = await worker.claimOne(requestId);
      assert.equal(build.lease.jobId, jobId);
    },
    needs('manyJobs'),
  ),

  claim('close', 'ends when the transport is closed', async (context) => {
    await context.submit();
    const worker = await context.worker();
    await worker.claimOne();
    const ended = worker.claim({ waitMs: 60_000 }).then(
      (offers) => assert.deepEqual(offers, []),
      () => undefined,
    );
    await context.leave(worker);
    await context.within('a claim of a transport that was closed', 5_000, ended);
  }),
];

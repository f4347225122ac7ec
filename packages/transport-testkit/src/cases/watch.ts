import assert from 'node:assert/strict';
import { heartbeatAnswer, type WorkerEvent } from '@ritmo/protocol';
import { caseOf } from '../case.js';
import type { CaseContext } from '../context.js';
import { assertShape } from '../shape.js';
import type { KitWorker } from '../worker.js';

const heartbeat = caseOf('heartbeat');
const events = caseOf('events');

/** The first event that is wanted; opens the stream again when it ends, as an agent does. */
async function firstEvent(worker: KitWorker, wanted: (event: WorkerEvent) => boolean): Promise<WorkerEvent> {
  const { signal, transport } = worker;
  for (;;) {
    for await (const event of transport.events(signal)) if (wanted(event)) return event;
    signal.throwIfAborted();
  }
}

const cancelOf = (context: CaseContext, jobId: string) =>
  context.within('cancel', 20_000, context.place.cancel(jobId, 1_234));

export const watchCases = [
  heartbeat('idle', 'answers a worker that runs nothing', async (context) => {
    const worker = await context.worker();
    const answer = await worker.heartbeat([]);
    assertShape('the answer to a heartbeat', heartbeatAnswer, answer);
    assert.deepEqual(answer.jobs, []);
  }),

  heartbeat('keep', 'lets a worker keep what it runs', async (context) => {
    const build = await context.build();
    const { jobId, epoch } = build.lease;
    const answer = await build.worker.heartbeat([build.lease]);
    assertShape('the answer to a heartbeat', heartbeatAnswer, answer);
    assert.deepEqual(answer.jobs, [{ jobId, epoch, verdict: 'keep' }]);
  }),

  heartbeat('unknown', 'never lets a worker keep what it was not given', async (context) => {
    const { worker, lease } = await context.build();
    const { jobs } = await worker.heartbeat([lease, { ...lease, epoch: lease.epoch + 1 }]);
    const verdict = jobs.find(({ epoch }) => epoch === lease.epoch + 1)?.verdict;
    assert.ok(verdict === 'fenced' || verdict === 'unknown', `the verdict is ${verdict}, not fenced or unknown`);
  }),

  heartbeat('cancel', 'says that a job is to be cancelled, and says it again', async (context) => {
    const build = await context.build();
    const { jobId, epoch } = build.lease;
    await cancelOf(context, jobId);
    for (let times = 0; times < 2; times++) {
      const answer = await build.worker.heartbeat([build.lease]);
      assertShape('the answer to a heartbeat', heartbeatAnswer, answer);
      const [job] = answer.jobs;
      assert.deepEqual(
        { jobId: job?.jobId, epoch: job?.epoch, verdict: job?.verdict },
        { jobId, epoch, verdict: 'cancel' },
      );
      assert.equal(job?.cancel?.reason, 'user', 'the reason of the cancel');
    }
  }),

  heartbeat('cancelled', 'lets a worker say how a cancelled job ended', async (context) => {
    const build = await context.build();
    await cancelOf(context, build.lease.jobId);
    await build.send('{"k":"note"}\n');
    const failure = { code: 'RITMO_CANCELLED', message: 'Cancelled on request.', retryable: false };
    await build.finish({ outcome: 'cancelled', failure });
    assert.equal((await context.ended(build.lease.jobId))?.outcome, 'cancelled');
    assert.equal(await context.log(build), '{"k":"note"}\n');
  }),

  events('cancel', 'brings a cancel while nothing else is said', async (context) => {
    const build = await context.build();
    const { jobId, epoch } = build.lease;
    const told = firstEvent(build.worker, ({ type }) => type === 'cancel');
    await cancelOf(context, jobId);
    const event = await context.within('the event of a cancel', 15_000, told);
    assert.ok(event.type === 'cancel');
    assert.deepEqual({ jobId: event.jobId, epoch: event.epoch }, { jobId, epoch });
    assert.equal(event.reason, 'user');
    assert.ok(Number.isInteger(event.graceMs) && event.graceMs >= 0, 'graceMs must be milliseconds');
  }),

  events('abort', 'ends when its signal is aborted', async (context) => {
    const worker = await context.worker();
    const stop = new AbortController();
    const iterator = worker.transport.events(stop.signal)[Symbol.asyncIterator]();
    const ended = iterator.next().then(
      ({ done }) => assert.equal(done, true, 'an event came out of nowhere'),
      () => undefined,
    );
    stop.abort(new Error('the kit stops listening'));
    await context.within('events after an abort', 5_000, ended);
  }),

  events('close', 'ends when the transport is closed', async (context) => {
    const worker = await context.worker();
    const iterator = worker.transport.events(worker.signal)[Symbol.asyncIterator]();
    const ended = iterator.next().then(
      () => undefined,
      () => undefined,
    );
    await context.leave(worker);
    await context.within('events of a transport that was closed', 5_000, ended);
  }),
];

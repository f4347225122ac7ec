import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, type TestServer } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { processesWithMarker } from '../support/witness.js';

/** Leases that run out in the time of a test. */
const short = { leaseTtlMs: 8_000, leaseSlackMs: 300, heartbeatMs: 300, sweepMs: 100, acceptWithinMs: 8_000 };

const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Waits until processes with this on their command line are there, or are gone. */
async function until(count: 'some' | 'none', marker: string): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    const seen = await processesWithMarker(marker);
    if (seen.length > 0 === (count === 'some')) return;
    if (limit.aborted) throw new Error(`there are ${seen.length} processes with ${JSON.stringify(marker)}`);
    await soon();
  }
}

/** A step that shows its attempt in the list of processes, `sleep 7001.1` for the first. */
const sleeper = (seconds: number) => ({ run: `echo attempt $RITMO_ATTEMPT; sleep ${seconds}.$RITMO_ATTEMPT` });
const seen = (seconds: number, attempt: number) => `sleep\0${seconds}.${attempt}`;

/** Resolves with the epoch once the job runs on that worker. */
async function runsAt(server: TestServer, id: string, worker: string): Promise<number> {
  for (;;) {
    const job = await server.job(id);
    if (job.worker === worker && job.state === 'running') return job.epoch;
    await soon();
  }
}

describe('a worker that is cut off from the server', () => {
  it('has killed a job that may run twice before another worker starts it', async () => {
    const server = await startServer(short);
    const proxy = await startFaultProxy(server.url);
    await readyWorker(server, { url: proxy.url, flags: ['--name', 'cut'] });
    const id = await server.submit({ name: 'again', onLost: 'requeue', attempts: 9, steps: [sleeper(7001)] });
    const before = await runsAt(server, id, 'cut');
    await until('some', seen(7001, before));
    await readyWorker(server, { flags: ['--name', 'other'] });
    proxy.fault = () => 'hang';
    // The claim that hangs may be offered the job too; it comes back when nobody accepts it.
    const now = await runsAt(server, id, 'other');
    expect(await processesWithMarker(seen(7001, before))).toEqual([]);
    proxy.fault = () => 'pass';
    await until('some', seen(7001, now));
    await server.call('POST', `/v1/jobs/${id}/cancel`, {});
    expect(await server.when(id, ['cancelled'])).toMatchObject({ epoch: now, worker: 'other' });
    expect(await server.output(id)).toBe(`attempt ${now}\n`);
    await until('none', seen(7001, now));
  });
});

describe('a build that uses every core', () => {
  it('keeps its lease: the agent renews it in time', async () => {
    const server = await startServer(short);
    await readyWorker(server, { flags: ['--name', 'busy'] });
    const loops = availableParallelism() * 8;
    const hog = `i=0; while [ $i -lt ${loops} ]; do timeout 18 sh -c 'while :; do :; done' & i=$((i+1)); done; wait`;
    const id = await server.submit({ name: 'busy', onLost: 'requeue', attempts: 9, steps: [{ run: hog }] });
    const epoch = await runsAt(server, id, 'busy');
    const end = await server.when(id, ['succeeded']);
    expect(end).toMatchObject({ epoch, worker: 'busy' });
    expect(end.steps[0]?.durationMs).toBeGreaterThan(2 * short.leaseTtlMs);
  });
});

import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readyWorker, startServer } from '../support/cluster.js';
import { shortLeases } from '../support/short-leases.js';

it('a worker renews its lease in time while a build uses every core', async () => {
  const server = await startServer(shortLeases);
  await readyWorker(server);
  const loops = availableParallelism() * 8;
  const hog = `i=0; while [ $i -lt ${loops} ]; do timeout 18 sh -c 'while :; do :; done' & i=$((i+1)); done; wait`;
  const id = await server.submit({ name: 'busy', onLost: 'requeue', attempts: 9, steps: [{ run: hog }] });
  let first = await server.job(id);
  while (first.state !== 'running') {
    await sleep(20);
    first = await server.job(id);
  }
  const end = await server.when(id, ['succeeded']);
  // A lease that ran out would have given the job to another attempt.
  expect(end.epoch).toBe(first.epoch);
  expect(end.steps[0]?.durationMs).toBeGreaterThan(2 * shortLeases.leaseTtlMs);
});

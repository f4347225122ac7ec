import { HttpTransport, type Lease, RitmoError } from '@ritmo/agent-core';
import type { JobResult } from '@ritmo/protocol';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readyWorker, startServer, type TestServer } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { untilProcesses } from '../support/processes.js';
import { shortLeases } from '../support/short-leases.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { processesWithMarker } from '../support/witness.js';

/** A step that shows its job and attempt in the list of processes. */
const sleeper = { run: 'echo attempt $RITMO_ATTEMPT; SHOWN=$RITMO_JOB_ID.$RITMO_ATTEMPT sleep 1000' };
const shown = (id: string, attempt: number) => `SHOWN=${id}.${attempt}`;
const mayRepeat = { onLost: 'requeue', attempts: 9 } as const;

/** Resolves with the epoch once the job runs on that worker. */
async function runsAt(server: TestServer, id: string, worker: string): Promise<number> {
  for (;;) {
    const job = await server.job(id);
    if (job.worker === worker && job.state === 'running') return job.epoch;
    await delay(20);
  }
}

/** Ends the attempt that runs and holds the job to it: nothing of another attempt is in its log. */
async function endsWhereItRuns(server: TestServer, id: string, epoch: number): Promise<void> {
  await untilProcesses('some', shown(id, epoch));
  await server.call('POST', `/v1/jobs/${id}/cancel`, {});
  expect(await server.when(id, ['cancelled'])).toMatchObject({ epoch, worker: 'other' });
  expect(await server.output(id)).toBe(`attempt ${epoch}\n`);
  await untilProcesses('none', shown(id, epoch));
}

describe('a worker that is cut off from the server', () => {
  it('has killed a job that may run twice before another worker starts it', async () => {
    const server = await startServer(shortLeases);
    const proxy = await startFaultProxy(server.url);
    await readyWorker(server, { url: proxy.url, flags: ['--name', 'cut'] });
    const id = await server.submit({ name: 'again', ...mayRepeat, steps: [sleeper] });
    const before = await runsAt(server, id, 'cut');
    await untilProcesses('some', shown(id, before));
    await readyWorker(server, { flags: ['--name', 'other'] });
    proxy.fault = () => 'hang';
    // The claim that hangs may be offered the job too; it comes back when nobody accepts it.
    const now = await runsAt(server, id, 'other');
    expect(await processesWithMarker(shown(id, before))).toEqual([]);
    proxy.fault = () => 'pass';
    await endsWhereItRuns(server, id, now);
  });

  it('with a slow clock kills what it lost as soon as it hears of it, and none of its words count', {
    // A log call that hangs is given up after a minute, which is two and a half by that clock.
    timeout: 600_000,
  }, async () => {
    const server = await startServer(shortLeases);
    const proxy = await startFaultProxy(server.url);
    const setting = join(await temporaryFolder(), 'clock');
    await writeFile(setting, JSON.stringify({ rate: 0.4 }));
    const slow = { url: proxy.url, flags: ['--name', 'slow'], env: { RITMO_TEST_CLOCK: setting } };
    await readyWorker(server, slow);
    const id = await server.submit({ name: 'again', ...mayRepeat, steps: [sleeper] });
    const once = await server.submit({ name: 'once', steps: [{ run: 'sleep 20; echo done' }] });
    const before = await runsAt(server, id, 'slow');
    await runsAt(server, once, 'slow');
    await untilProcesses('some', shown(id, before));
    await readyWorker(server, { flags: ['--name', 'other'] });
    proxy.fault = () => 'hang';
    const now = await runsAt(server, id, 'other');
    proxy.fault = () => 'pass';
    await untilProcesses('none', shown(id, before));
    await endsWhereItRuns(server, id, now);
    // What may run once went on where it was.
    expect(await server.when(once, ['succeeded'])).toMatchObject({ epoch: 1, worker: 'slow' });
    expect(await server.output(once)).toBe('done\n');
  });
});

describe('an agent that is frozen longer than its lease', () => {
  it('wakes, kills what another worker runs now, and finishes late what may run once', async () => {
    const server = await startServer(shortLeases);
    const worker = await readyWorker(server, { flags: ['--name', 'frozen'] });
    const id = await server.submit({ name: 'again', ...mayRepeat, steps: [sleeper] });
    const once = await server.submit({ name: 'once', steps: [{ run: 'sleep 15; echo done' }] });
    const before = await runsAt(server, id, 'frozen');
    await runsAt(server, once, 'frozen');
    await untilProcesses('some', shown(id, before));
    worker.kill('SIGSTOP');
    await readyWorker(server, { flags: ['--name', 'other'] });
    const now = await runsAt(server, id, 'other');
    const of = async (epoch: number) => (await server.job(id)).attempts.find((attempt) => attempt.epoch === epoch);
    const lost = await of(before);
    expect(lost).toMatchObject({ state: 'lost' });
    await server.when(once, ['lost']);
    worker.kill('SIGCONT');
    await untilProcesses('none', shown(id, before));
    expect(await server.when(once, ['succeeded'])).toMatchObject({ epoch: 1, worker: 'frozen' });
    expect(await server.output(once)).toBe('done\n');
    // Not a byte of the attempt that was given away arrived after that.
    expect(await of(before)).toEqual(lost);
    expect((await server.job(id)).epoch).toBe(now);
    await endsWhereItRuns(server, id, now);
  });
});

describe('an attempt that was given away', () => {
  const { signal } = new AbortController();

  /** A worker that speaks to the server by hand and claims one job. */
  async function claimed(server: TestServer, name: string): Promise<{ transport: HttpTransport; lease: Lease }> {
    const registrationToken = (await readFile(server.registrationTokenFile, 'utf8')).trim();
    const transport = new HttpTransport({ apiServer: server.url, registrationToken });
    onTestFinished(() => transport[Symbol.asyncDispose]());
    await transport.register(
      {
        ...{
          name,
          instanceId: `instance-of-${name}`,
          labels: {},
          maxConcurrent: 1,
          agentVersion: '1.0.0',
          jobVersions: [1],
        },
        protocol: { min: 1, max: 1 },
        host: { os: 'linux', arch: 'x64', cpus: 1, memoryBytes: 1e9, diskBytes: 1e9 },
        isolation: [
          {
            name: 'process',
            default: true,
            capabilities: {
              ...{ isolation: 'namespace', defaultNetwork: 'none', images: false, services: false, network: ['none'] },
              ...{ limits: [], os: ['linux'], arch: ['x64'], separateStderr: true, recover: false },
            },
          },
        ],
      },
      signal,
    );
    const [offer] = await transport.claim({ requestId: `request-by-${name}`, max: 1, waitMs: 20_000 }, signal);
    if (!offer) throw new Error('there was no offer');
    const lease = { ...offer.lease, token: offer.jobToken };
    await transport.accept(lease, signal);
    return { transport, lease };
  }

  it('is refused in everything it says: log, offset, seal, artifacts, finish and release', async () => {
    let now = Date.now();
    const server = await startServer({ ...shortLeases, clock: { wall: () => now, monotonic: () => now } });
    const id = await server.submit({
      name: 'twice',
      ...mayRepeat,
      steps: [{ run: 'true' }],
      artifacts: [{ name: 'out', paths: ['out'] }],
    });
    const { transport, lease } = await claimed(server, 'early');
    const line = Buffer.from(`{"k":"log","v":1,"job":"${id}","epoch":1,"start":"2026-01-01T00:00:00.000Z"}\n`);
    await transport.appendLog(lease, 0, line, signal);
    // It is never renewed, and so another worker gets the next attempt.
    now += 2 * shortLeases.leaseTtlMs;
    const late = await claimed(server, 'late');
    expect(late.lease.epoch).toBe(lease.epoch + 1);
    const seal = { length: line.length, sha256: 'a'.repeat(64), truncatedBytes: 0 };
    const file = {
      artifactId: 'artifact-one',
      name: 'out',
      path: 'out',
      size: 1,
      mode: 0o644,
      contentType: 'text/plain',
    };
    const result: JobResult = { outcome: 'succeeded', steps: [], durationMs: 1, artifacts: 0 };
    const before = await server.job(id);
    for (const word of [
      () => transport.appendLog(lease, line.length, line, signal),
      () => transport.logOffset(lease, signal),
      () => transport.sealLog(lease, seal, signal),
      () => transport.artifacts.plan(lease, [file], signal),
      () => transport.artifacts.complete(lease, 'artifact-one', { sha256: 'a'.repeat(64) }, signal),
      () => transport.finish(lease, result, signal),
      () => transport.release(lease, { code: 'RITMO_NO_ROOM', message: 'No.' }, signal),
      () => transport.accept(lease, signal),
    ])
      await expect(word()).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    // With the new epoch and the old token it is no better.
    await expect(transport.finish({ ...lease, epoch: lease.epoch + 1 }, result, signal)).rejects.toBeInstanceOf(
      RitmoError,
    );
    expect(await server.job(id)).toEqual(before);
    await late.transport.finish(late.lease, result, signal);
    expect(await server.job(id)).toMatchObject({ state: 'succeeded', worker: 'late', epoch: lease.epoch + 1 });
  });
});

describe('a build that uses every core', () => {
  it('keeps its lease: the agent renews it in time', async () => {
    const server = await startServer(shortLeases);
    await readyWorker(server, { flags: ['--name', 'busy'] });
    const loops = availableParallelism() * 8;
    const hog = `i=0; while [ $i -lt ${loops} ]; do timeout 18 sh -c 'while :; do :; done' & i=$((i+1)); done; wait`;
    const id = await server.submit({ name: 'busy', onLost: 'requeue', attempts: 9, steps: [{ run: hog }] });
    const epoch = await runsAt(server, id, 'busy');
    const end = await server.when(id, ['succeeded']);
    expect(end).toMatchObject({ epoch, worker: 'busy' });
    expect(end.steps[0]?.durationMs).toBeGreaterThan(2 * shortLeases.leaseTtlMs);
  });
});

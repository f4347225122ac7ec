import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { agentFixture } from '../support/agent-fixture.js';
import { scriptedExecutor } from '../support/scripted-executor.js';
import { RitmoError } from '../../src/errors.js';
import { Agent } from '../../src/index.js';
import { MemoryServer } from '../support/memory-server.js';
import { temporaryFolder } from '../support/agent-fixture.js';

const quick = { name: 'one', steps: [{ run: 'print 1' }] };
const health = { diskMs: 10, probeMs: 10 };

describe('a worker whose executor fails', () => {
  it('claims nothing, says why, and comes back by itself', async () => {
    const { agent, server, executor } = await agentFixture({ health });
    await agent.start();
    executor.health = 'unavailable';
    await server.when(() => server.statuses.at(-1)?.state === 'unhealthy');
    expect(server.statuses.at(-1)?.reasons).toEqual(['The scripted executor cannot work: It does as it is told.']);
    expect(agent.status.reasons).toEqual(['The scripted executor cannot work: It does as it is told.']);
    expect(agent.status.worker?.claiming).toBe(false);
    const beats = server.statuses.length;
    const job = server.submit(quick);
    await server.when(() => server.statuses.length > beats + 3);
    expect(job.accepted).toBe(false);
    executor.health = 'healthy';
    expect((await job.finished).outcome).toBe('succeeded');
    await server.when(() => server.statuses.at(-1)?.state === 'idle');
  });

  it.each([
    ['never answers', () => new Promise<never>(() => undefined)],
    [
      'throws at once',
      () => {
        throw new Error('a defect');
      },
    ],
  ])('can be stopped though its probe %s and listens to nothing', async (_name, fault) => {
    let asked = (): void => undefined;
    const probed = new Promise<void>((resolve) => (asked = resolve));
    const { binding } = scriptedExecutor();
    let broken = false;
    const { agent } = await agentFixture({
      health,
      executors: [
        {
          ...binding,
          open: async (host) => {
            const executor = await binding.open(host);
            const probe = executor.probe.bind(executor);
            return Object.assign(executor, {
              probe: (signal: AbortSignal) => {
                if (!broken) return probe(signal);
                asked();
                return fault();
              },
            });
          },
        },
      ],
    });
    await agent.start();
    broken = true;
    await probed;
    await agent.stop();
    expect(agent.state).toBe('stopped');
  });

  it('gives up its start when it is told to, though its executor does not say whether it works', async () => {
    let asked = (): void => undefined;
    const probed = new Promise<void>((resolve) => (asked = resolve));
    const { binding, log } = scriptedExecutor();
    const probe = () => {
      asked();
      return new Promise<never>(() => undefined);
    };
    const { agent } = await agentFixture({
      executors: [{ ...binding, open: async (host) => Object.assign(await binding.open(host), { probe }) }],
    });
    const started = agent.start();
    await probed;
    await Promise.all([agent.stop(), expect(started).rejects.toMatchObject({ code: 'RITMO_AGENT_STOPPING' })]);
    expect(log).toContain('executor closed');
  });

  it('stays paused when it was paused in the meantime', async () => {
    const { agent, server, executor } = await agentFixture({ health });
    await agent.start();
    executor.health = 'unavailable';
    await server.when(() => server.statuses.at(-1)?.state === 'unhealthy');
    await agent.pause();
    executor.health = 'healthy';
    await server.when(() => server.statuses.at(-1)?.reasons.length === 0);
    expect(agent.status.worker?.claiming).toBe(false);
    await agent.resume();
    expect(agent.status.worker?.claiming).toBe(true);
  });

  it('goes on with the executors that work, and tells the server which', async () => {
    const [one, two] = [scriptedExecutor({ name: 'one' }), scriptedExecutor({ name: 'two' })];
    const server = new MemoryServer();
    await using agent = new Agent({
      transport: server,
      executors: [one.binding, two.binding],
      stateDir: await temporaryFolder(),
      health,
    });
    await agent.start();
    two.health = 'unavailable';
    await server.when(() => server.patches.length > 0);
    expect(server.patches.at(-1)?.isolation?.map(({ name }) => name)).toEqual(['one']);
    expect((await server.submit(quick).finished).outcome).toBe('succeeded');
    const lost = server.submit({ ...quick, isolation: 'two' });
    await server.when(() => lost.released !== undefined);
    expect(lost.released).toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE' });
    two.health = 'healthy';
    await server.when(() => server.patches.length > 1);
    expect(server.patches.at(-1)?.isolation?.map(({ name }) => name)).toEqual(['one', 'two']);
  });
});

describe('a job whose executor fails before the first step', () => {
  const gone = () => new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The daemon does not answer.');

  it('goes back to the server without a trace, and the worker claims nothing until the executor works', async () => {
    const { agent, server, executor, stateDir } = await agentFixture();
    const released = new Promise((resolve) => agent.on('job:released', resolve));
    await agent.start();
    executor.failures.push(gone());
    executor.health = 'unavailable';
    const job = server.submit(quick);
    await server.when(() => server.statuses.at(-1)?.state === 'unhealthy');
    await released;
    expect(job.released).toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE', retryAfterMs: 5_000 });
    expect([job.result, job.seal]).toEqual([undefined, undefined]);
    expect(agent.status.worker?.claiming).toBe(false);
    expect(executor.open.size).toBe(0);
    for (const folder of ['journal', 'spool']) expect(await readdir(join(stateDir, folder))).toEqual([]);
    // What it may have left while it failed goes with the worker.
    const sweeps = executor.log.filter((line) => line.startsWith('sweep')).length;
    await agent.drain();
    expect(executor.log.filter((line) => line.startsWith('sweep'))).toHaveLength(sweeps + 1);
  });

  it('ends as cancelled where it was being cancelled already', async () => {
    const { agent, server, executor } = await agentFixture();
    const cancelling = new Promise((resolve) => agent.on('job:cancelling', resolve));
    executor.gate = cancelling.then(() => undefined);
    executor.failures.push(gone());
    await agent.start();
    const job = server.submit(quick);
    await server.when(() => job.accepted);
    server.send({ seq: 1, type: 'cancel', jobId: 'job-1', epoch: 1, reason: 'user', graceMs: 10 });
    expect((await job.finished).outcome).toBe('cancelled');
    expect(job.released).toBeUndefined();
  });
});

describe('a worker below its disk floor', () => {
  it('claims nothing from its first moment on, and says how much is free', async () => {
    const { agent, server } = await agentFixture({ health: { ...health, minFreeDiskBytes: 2 ** 52 } });
    server.submit(quick);
    await agent.start();
    await server.when(() => server.statuses.at(-1)?.state === 'unhealthy');
    expect(server.statuses.at(-1)?.reasons.join()).toMatch(/MiB are free|GiB are free/);
    expect(server.calls).not.toContain('claim');
  });
});

describe('heartbeats', () => {
  it('carry the use of CPU, memory, disk and load', async () => {
    const { agent, server } = await agentFixture({ health });
    await agent.start();
    await server.when(() => server.statuses.length > 3);
    const { cpu, memory, disk, load } = server.statuses.at(-1)?.host ?? {};
    for (const share of [cpu, memory, disk]) {
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
    }
    expect(load).toBeGreaterThanOrEqual(0);
  });
});

import { describe, expect, it } from 'vitest';
import type { DrainReport } from '../../src/index.js';
import { agentFixture } from '../support/agent-fixture.js';

const quick = { name: 'one', steps: [{ run: 'print 1' }] };

describe('an agent that ends by itself', () => {
  it('takes no more than so many jobs, runs them to their end, and then ends', async () => {
    const { agent, server } = await agentFixture({ maxConcurrent: 5, until: { jobs: 3 } });
    const jobs = [1, 2, 3, 4, 5].map(() => server.submit(quick));
    await agent.start();
    await agent.done;
    expect(agent.state).toBe('stopped');
    expect(jobs.map(({ result }) => result?.outcome)).toEqual([
      ...['succeeded', 'succeeded', 'succeeded'],
      undefined,
      undefined,
    ]);
    expect(jobs.filter(({ released }) => released)).toEqual([]);
  });

  it('does not count a job that it handed back', async () => {
    const { agent, server } = await agentFixture({ maxConcurrent: 1, until: { jobs: 1 } });
    const large = server.submit({ ...quick, limits: { memory: 2 ** 50 } });
    await agent.start();
    await server.when(() => large.released !== undefined);
    const job = server.submit(quick);
    await agent.done;
    expect(job.result?.outcome).toBe('succeeded');
  });

  it('ends when nothing came for a while, and not while a build runs', async () => {
    const { agent, server } = await agentFixture({ until: { idleMs: 100 } });
    await agent.start();
    const started = new Promise<void>((resolve) => agent.on('step:started', () => resolve()));
    const job = server.submit({ name: 'long', grace: 10, steps: [{ run: 'hang', timeout: 400 }] });
    await started;
    await agent.done;
    expect(job.result?.outcome).toBe('timed_out');
    expect(agent.state).toBe('stopped');
  });

  it('says at the end what became of the builds', async () => {
    const { agent, server } = await agentFixture();
    const said = new Promise<DrainReport>((resolve) => agent.on('agent:drained', resolve));
    await agent.start();
    const started = new Promise<void>((resolve) => agent.on('step:started', () => resolve()));
    server.submit({ name: 'long', grace: 10, steps: [{ run: 'hang' }] });
    await started;
    const drained = agent.drain();
    await agent.stop();
    expect(await drained).toEqual({ finished: [], cancelled: ['job-1'], left: [] });
    expect(await said).toEqual({ finished: [], cancelled: ['job-1'], left: [] });
  });
});

describe('a change of the running agent', () => {
  it('tells the server, and runs as many builds at once as it says', async () => {
    const { agent, server, executor } = await agentFixture({ maxConcurrent: 1 });
    let open!: () => void;
    executor.gate = new Promise((resolve) => {
      open = resolve;
    });
    await agent.start();
    const jobs = [1, 2].map(() => server.submit(quick));
    await server.when(() => jobs.filter(({ accepted }) => accepted).length === 1);
    await agent.update({ labels: { zone: 'b' }, maxConcurrent: 2 });
    expect(server.patches).toEqual([{ labels: { zone: 'b' }, maxConcurrent: 2 }]);
    await server.when(() => jobs.every(({ accepted }) => accepted));
    expect(agent.status.worker).toMatchObject({ labels: { zone: 'b' }, slots: { max: 2, held: 2, free: 0 } });
    open();
    await Promise.all(jobs.map(({ finished }) => finished));
  });

  it('is refused with all that is wrong with it, and changes nothing', async () => {
    const { agent, server } = await agentFixture();
    await expect(agent.update({ maxConcurrent: 2 })).rejects.toMatchObject({ code: 'RITMO_STATE_TRANSITION' });
    await agent.start();
    await expect(agent.update({ maxConcurrent: 0 })).rejects.toMatchObject({ code: 'RITMO_USAGE' });
    expect(server.patches).toEqual([]);
  });
});

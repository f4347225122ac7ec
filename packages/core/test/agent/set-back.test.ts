import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { agentFixture } from '../support/agent-fixture.js';
import { MemoryServer } from '../support/memory-server.js';

const hanging = { name: 'one', grace: 10, steps: [{ run: 'hang' }] };

describe('a server that was set back to an older state', () => {
  it('that knows nothing of a build for as long as a lease lasts ends it, and its slot is free', async () => {
    const server = new MemoryServer();
    server.leaseTtlMs = 200;
    const { agent, executor } = await agentFixture({ server, maxConcurrent: 1 });
    await agent.start();
    const started = new Promise<void>((resolve) => agent.on('step:started', () => resolve()));
    const job = server.submit(hanging);
    await started;
    job.unknown = true;
    const next = server.submit({ name: 'two', steps: [{ run: 'print 2' }] });
    expect((await next.finished).outcome).toBe('succeeded');
    expect(job.result).toBeUndefined();
    await agent.drain();
    expect(executor.open.size).toBe(0);
  });

  it('that hands out an attempt that runs already gets it back, and neither runs on', async () => {
    const { agent, server, executor } = await agentFixture({ maxConcurrent: 2 });
    await agent.start();
    const started = new Promise<void>((resolve) => agent.on('step:started', () => resolve()));
    const ended = new Promise<void>((resolve) => agent.on('job:finished', () => resolve()));
    const job = server.submit(hanging);
    await started;
    server.offerAgain(job);
    await server.when(() => job.released !== undefined);
    expect(job.released).toMatchObject({ code: 'RITMO_CONFLICT' });
    await ended;
    expect(executor.requests).toHaveLength(1);
    await agent.drain();
    expect(executor.open.size).toBe(0);
  });
});

it('removes the spool of a build that an agent forgot only half before it was killed', async () => {
  const { agent, stateDir } = await agentFixture();
  await mkdir(join(stateDir, 'spool'), { recursive: true });
  await writeFile(join(stateDir, 'spool', 'job-9.1.log'), 'left');
  await agent.start();
  expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
});

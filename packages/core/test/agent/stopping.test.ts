import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CollectedEntry } from '../../src/executor.js';
import { folderArtifactStore, type Logger, silentLogger } from '../../src/index.js';
import { agentFixture, type AgentFixture, temporaryFolder } from '../support/agent-fixture.js';
import { scriptedExecutor } from '../support/scripted-executor.js';
import { MemoryServer, type MemoryJob } from '../support/memory-server.js';

/** Starts an agent with one job and waits until its first step runs. */
async function running(
  steps: Parameters<MemoryServer['submit']>[0]['steps'],
  options: Parameters<typeof agentFixture>[0] = {},
): Promise<AgentFixture & { job: MemoryJob }> {
  const fixture = await agentFixture(options);
  const started = new Promise<void>((resolve) => fixture.agent.on('step:started', () => resolve()));
  await fixture.agent.start();
  const job = fixture.server.submit({ name: 'one', grace: 50, steps });
  await started;
  return { ...fixture, job };
}

describe('cancel', () => {
  it('stops a silent step by an event, runs its cleanup and says why', async () => {
    const { server, job, executor, agent } = await running([
      { run: 'hang' },
      { run: 'print never' },
      { run: 'print cleanup', when: 'always' },
    ]);
    server.send({ seq: 1, type: 'cancel', jobId: 'job-1', epoch: 1, reason: 'user', graceMs: 10 });
    const result = await job.finished;
    expect(result).toMatchObject({ outcome: 'cancelled', failure: { code: 'RITMO_CANCELLED' } });
    expect(result.steps.map(({ status }) => status)).toEqual(['cancelled', 'skipped', 'succeeded']);
    expect(job.output).toBe('cleanup\n');
    expect(job.notes).toContain('Stopping: user.');
    await agent.drain();
    expect(executor.open.size).toBe(0);
  });

  it('ignores a cancel of another epoch', async () => {
    const { server, job } = await running([{ run: 'hang', timeout: 100 }]);
    server.send({ seq: 1, type: 'cancel', jobId: 'job-1', epoch: 2, reason: 'user', graceMs: 10 });
    expect((await job.finished).outcome).toBe('timed_out');
  });

  it('stops a build that is still being prepared', async () => {
    const { agent, server, executor } = await agentFixture();
    executor.gate = new Promise(() => {});
    await agent.start();
    const job = server.submit({ name: 'one', steps: [{ run: 'print never' }] });
    await server.when(() => job.accepted);
    server.send({ seq: 1, type: 'cancel', jobId: 'job-1', epoch: 1, reason: 'superseded', graceMs: 0 });
    expect(await job.finished).toMatchObject({ outcome: 'cancelled', steps: [] });
    await agent.drain();
    expect(executor.open.size).toBe(0);
  });
});

describe('while artifacts are stored', () => {
  /** An artifact without end. */
  const endless = (): CollectedEntry => ({
    kind: 'file',
    path: 'out/endless',
    mode: 0o644,
    mtimeMs: 0,
    size: 1_000_000_000,
    body: (async function* () {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        yield new Uint8Array(1024);
      }
    })(),
  });

  async function storing(job: Partial<Parameters<MemoryServer['submit']>[0]>) {
    const executor = scriptedExecutor({ artifacts: [endless()] });
    const artifacts = folderArtifactStore(await temporaryFolder());
    const fixture = await agentFixture({ executor, artifacts });
    await fixture.agent.start();
    const entry = fixture.server.submit({
      name: 'large',
      steps: [{ run: 'print built' }],
      artifacts: [{ name: 'out', paths: ['out'] }],
      ...job,
    });
    return { ...fixture, entry };
  }

  it('a cancel ends the build at once, and it has not succeeded', async () => {
    const { server, entry, executor, agent } = await storing({});
    await server.when(() => server.statuses.some(({ running: [build] }) => build?.phase === 'collecting'));
    server.send({ seq: 1, type: 'cancel', jobId: 'job-1', epoch: 1, reason: 'user', graceMs: 10 });
    expect(await entry.finished).toMatchObject({ outcome: 'cancelled', artifacts: 0 });
    await agent.drain();
    expect(executor.open.size).toBe(0);
  });

  it('the timeout of the job holds too', async () => {
    const { entry } = await storing({ timeout: 300 });
    expect(await entry.finished).toMatchObject({ outcome: 'timed_out', failure: { code: 'RITMO_JOB_TIMEOUT' } });
  });
});

describe('a lost lease', () => {
  it('ends a fenced build at once, runs no cleanup and sends nothing more of it', async () => {
    const { server, job, agent, executor, stateDir } = await running([
      { run: 'hang' },
      { run: 'print cleanup', when: 'always' },
    ]);
    const ended = new Promise<string>((resolve) => agent.on('job:finished', ({ outcome }) => resolve(outcome)));
    job.fenced = true;
    await expect(ended).resolves.toBe('errored');
    await agent.drain();
    expect(job.result).toBeUndefined();
    expect(job.output).toBe('');
    expect(server.calls).not.toContain('finish');
    expect(executor.open.size).toBe(0);
    expect(await readdir(join(stateDir, 'journal'))).toEqual([]);
    expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
  });

  it('stops a requeue build before its lease may run out while the server is silent', async () => {
    const server = new MemoryServer();
    server.leaseTtlMs = 1_500;
    const { agent } = await agentFixture({ server });
    const ended = new Promise<string>((resolve) => agent.on('job:finished', ({ outcome }) => resolve(outcome)));
    await agent.start();
    server.blocked.set('heartbeat', new Promise(() => {}));
    server.submit({ name: 'again', onLost: 'requeue', grace: 10, steps: [{ run: 'hang' }] });
    await expect(ended).resolves.toBe('errored');
  });
});

describe('drain', () => {
  it('lets a running build finish and reports it', async () => {
    const { agent, server, executor } = await agentFixture();
    let open!: () => void;
    executor.gate = new Promise((resolve) => {
      open = resolve;
    });
    await agent.start();
    const job = server.submit({ name: 'one', steps: [{ run: 'print done' }] });
    await server.when(() => job.accepted);
    const drained = agent.drain();
    const late = server.submit({ name: 'late', steps: [{ run: 'print late' }] });
    open();
    await expect(drained).resolves.toEqual({ finished: ['job-1'], cancelled: [], left: [] });
    expect(job.result?.outcome).toBe('succeeded');
    expect(late.accepted).toBe(false);
  });

  it('hands back an offer that arrives in that moment', async () => {
    const { agent, server } = await agentFixture();
    let answer!: () => void;
    await agent.start();
    await server.when(() => server.calls.includes('claim'));
    server.blocked.set(
      'claim',
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    const job = server.submit({ name: 'late', steps: [{ run: 'print 1' }] });
    server.blocked.delete('claim');
    const drained = agent.drain();
    answer();
    await drained;
    if (!job.result) expect(job.accepted).toBe(false);
  });

  it('cancels at its deadline, and says which', async () => {
    const { agent, job } = await running([{ run: 'hang' }]);
    await expect(agent.drain({ deadlineMs: 20 })).resolves.toEqual({ finished: [], cancelled: ['job-1'], left: [] });
    expect(job.result).toMatchObject({
      outcome: 'errored',
      failure: { code: 'RITMO_AGENT_STOPPING', retryable: true },
    });
  });

  it('is the same drain when asked twice', async () => {
    const { agent } = await agentFixture();
    await agent.start();
    const [first, second] = [agent.drain(), agent.drain()];
    expect(await first).toBe(await second);
  });
});

describe('stop', () => {
  it('kills a step that ignores the signal after its grace', async () => {
    const { agent, job } = await running([{ run: 'stubborn' }], { shutdown: { graceMs: 30 } });
    await agent.stop();
    expect(job.result?.outcome).toBe('errored');
    const end = job.records.find(({ k }) => k === 'end');
    expect(end).toMatchObject({ reason: 'agent-stopping', signal: 'SIGKILL' });
    expect(agent.state).toBe('stopped');
  });
});

describe('an agent that is superseded', () => {
  it('fails, kills its builds and sends nothing more', async () => {
    const { RitmoError } = await import('../../src/index.js');
    const { agent, server, job } = await running([{ run: 'hang' }]);
    server.heartbeat = () => Promise.reject(new RitmoError('RITMO_SUPERSEDED', 'A newer agent took over.'));
    await expect(agent.done).rejects.toMatchObject({ code: 'RITMO_SUPERSEDED' });
    expect(agent.state).toBe('failed');
    expect(job.result).toBeUndefined();
    expect(server.calls).not.toContain('deregister');
  });
});

describe('an agent whose transport and stores cannot be closed', () => {
  it('ends all the same, says what went wrong, and leaves its state directory free', async () => {
    const stateDir = await temporaryFolder();
    const told: string[] = [];
    const log: Logger = { ...silentLogger, child: () => log, error: (_, message) => void told.push(message) };
    const broken = (): Promise<never> => Promise.reject(new Error('a defect'));
    const { agent, server } = await agentFixture({
      stateDir,
      log,
      artifacts: { name: 'broken', open: broken, [Symbol.asyncDispose]: broken },
      caches: { name: 'broken', find: broken, save: broken, [Symbol.asyncDispose]: broken },
      server: Object.assign(new MemoryServer(), { [Symbol.asyncDispose]: broken }),
    });
    await agent.start();
    await agent.stop();
    await agent.done;
    expect(agent.state).toBe('stopped');
    expect(told).toEqual(
      ['transport', 'artifact store', 'cache store'].map((what) => `the ${what} could not be closed`),
    );
    expect(server.registrations).toHaveLength(1);
    const { agent: next } = await agentFixture({ stateDir });
    await next.start();
  });
});

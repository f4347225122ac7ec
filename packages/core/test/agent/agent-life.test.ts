import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Agent, RitmoError } from '../../src/index.js';
import { agentFixture, temporaryFolder } from '../support/agent-fixture.js';
import { MemoryServer } from '../support/memory-server.js';
import { scriptedExecutor } from '../support/scripted-executor.js';

describe('the constructor', () => {
  it('names everything that is wrong with the options, and touches nothing', () => {
    const options = { transport: {}, executors: [], maxConcurrent: 0, stateDir: '', labels: { 'bad key!': 'x' } };
    let error: unknown;
    try {
      new Agent(options as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RitmoError);
    const { code, message } = error as RitmoError;
    expect(code).toBe('RITMO_USAGE');
    for (const key of ['transport', 'executors', 'maxConcurrent', 'stateDir', 'labels']) expect(message).toContain(key);
  });

  it.each([
    ['no options at all', undefined, 'there are none'],
    ['one executor instead of a list', { executors: scriptedExecutor() }, 'executors: '],
    ['the console as its log', { log: console }, 'log: lacks one of child'],
    ['a path as its store of artifacts', { artifacts: '/srv/artifacts' }, 'artifacts: is no store'],
    ['an object as its store of caches', { caches: {} }, 'caches: is no store'],
  ])('refuses %s with a sentence', (_what, options, words) => {
    expect(() => new Agent(options as never)).toThrow(
      expect.objectContaining({ code: 'RITMO_USAGE', message: expect.stringContaining(words) }),
    );
  });
});

describe('a listener', () => {
  it.each([
    ['job:finish', 'Did you mean "job:finished"?'],
    ['nothing like it', expect.stringContaining('agent:state, agent:error')],
  ])('of %j, which is no event, is refused', async (name, hint) => {
    const { agent } = await agentFixture();
    expect(() => agent.on(name as never, () => undefined)).toThrow(
      expect.objectContaining({ code: 'RITMO_USAGE', message: `The agent has no event "${name}".`, hint }),
    );
  });
});

describe('a drain', () => {
  it.each([-1, Number.NaN, '1s'])('with %j as its deadline is refused, and the agent goes on', async (deadlineMs) => {
    const { agent } = await agentFixture();
    await agent.start();
    await expect(agent.drain({ deadlineMs } as never)).rejects.toMatchObject({ code: 'RITMO_USAGE' });
    expect(agent.state).toBe('running');
    await agent.drain();
  });
});

describe('a life in order', () => {
  it('emits its events in the order of what happens', async () => {
    const { agent, server } = await agentFixture();
    const seen: string[] = [];
    agent.on('agent:state', ({ to }) => seen.push(`state ${to}`));
    for (const name of [
      'executor:probed',
      'executor:swept',
      'worker:registered',
      'job:claimed',
      'job:prepared',
    ] as const) {
      agent.on(name, () => seen.push(name));
    }
    for (const name of ['step:started', 'step:finished', 'job:finished', 'job:reported'] as const) {
      agent.on(name, () => seen.push(name));
    }
    await agent.start();
    await server.submit({ name: 'one', steps: [{ run: 'print 1' }] }).finished;
    await agent.drain();
    expect(seen.filter((name) => name !== 'job:reported')).toEqual([
      'state starting',
      'executor:probed',
      'executor:swept',
      'worker:registered',
      'state running',
      'job:claimed',
      'job:prepared',
      'step:started',
      'step:finished',
      'job:finished',
      'state draining',
      'state stopped',
    ]);
    expect(seen).toContain('job:reported');
    await expect(agent.done).resolves.toBeUndefined();
  });

  it('leaves neither journal entries nor spools behind, and deregisters', async () => {
    const { agent, server, stateDir, executor } = await agentFixture();
    await agent.start();
    await server.submit({ name: 'one', steps: [{ run: 'print 1' }] }).finished;
    await agent.drain();
    expect(await readdir(join(stateDir, 'journal'))).toEqual([]);
    expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
    expect(server.calls.slice(-2)).toEqual(['deregister', 'dispose']);
    expect(executor.open.size).toBe(0);
    expect(executor.log).toEqual(['sweep but ', 'executor closed']);
  });

  it('survives a listener that throws', async () => {
    const { agent, server } = await agentFixture();
    agent.on('step:started', () => {
      throw new Error('listener');
    });
    await agent.start();
    const result = await server.submit({ name: 'one', steps: [{ run: 'print 1' }] }).finished;
    expect(result.outcome).toBe('succeeded');
  });

  it('starts once', async () => {
    const { agent } = await agentFixture();
    await agent.start();
    await expect(agent.start()).rejects.toMatchObject({ code: 'RITMO_STATE_TRANSITION' });
  });

  it('ends without a start', async () => {
    const { agent, server } = await agentFixture();
    await agent.drain();
    expect(agent.state).toBe('stopped');
    expect(server.calls).toEqual([]);
    await expect(agent.done).resolves.toBeUndefined();
  });

  it('runs until a piece of work is done, and hands its value back', async () => {
    const { agent, server } = await agentFixture();
    const job = server.submit({ name: 'one', steps: [{ run: 'print 1' }] });
    await expect(agent.runUntil(job.finished.then(({ outcome }) => outcome))).resolves.toBe('succeeded');
    expect(agent.state).toBe('stopped');
  });

  it('drains when the work it runs until fails', async () => {
    const { agent } = await agentFixture();
    await expect(agent.runUntil(Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(agent.state).toBe('stopped');
  });
});

describe('a start that cannot succeed', () => {
  it('fails where an executor cannot work here, and gives the state directory back', async () => {
    const executor = scriptedExecutor({ health: 'unavailable' });
    const { agent, stateDir } = await agentFixture({ executor });
    await expect(agent.start()).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE' });
    expect(agent.state).toBe('failed');
    await expect(agent.done).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE' });
    const { agent: next } = await agentFixture({ stateDir });
    await next.start();
    expect(next.state).toBe('running');
  });

  it('refuses a state directory that another agent holds', async () => {
    const { agent, stateDir } = await agentFixture();
    await agent.start();
    const { agent: second } = await agentFixture({ stateDir });
    await expect(second.start()).rejects.toMatchObject({ code: 'RITMO_STATE_LOCKED' });
  });

  it('is given up by a drain while the server is away', async () => {
    const server = new MemoryServer();
    server.blocked.set('register', new Promise(() => {}));
    const { agent } = await agentFixture({ server });
    const start = agent.start();
    start.catch(() => {});
    await server.when(() => server.calls.includes('register'));
    await agent.drain();
    expect(agent.state).toBe('stopped');
    await expect(start).rejects.toMatchObject({
      code: 'RITMO_AGENT_STOPPING',
      hint: expect.stringContaining('as it was told to'),
    });
  });
});

describe('the worker at the server', () => {
  it('registers with labels, capabilities and the key that it was given before', async () => {
    const { agent, server, stateDir } = await agentFixture({ labels: { zone: 'a' }, maxConcurrent: 3 });
    await agent.start();
    await agent.drain();
    expect(server.registrations[0]).toMatchObject({ name: 'tester', labels: { zone: 'a' }, maxConcurrent: 3 });
    expect(server.registrations[0]?.isolation[0]).toMatchObject({ name: 'scripted', default: true });
    expect(server.registrations[0]?.resumeKey).toBeUndefined();
    const { agent: next, server: again } = await agentFixture({ stateDir });
    await next.start();
    expect(again.registrations[0]?.resumeKey).toBe('resume-key-1');
  });

  it('still has the key of a server when it comes back from another', async () => {
    const stateDir = await temporaryFolder();
    const keys: (string | undefined)[] = [];
    for (const [address, resumeKey] of [
      ['http://a', 'key-a'],
      ['http://b', 'key-b'],
      ['http://a', 'key-a'],
      ['http://b', 'key-b'],
    ] as const) {
      const server = Object.assign(new MemoryServer(), { address, resumeKey });
      const { agent } = await agentFixture({ stateDir, server });
      await agent.start();
      await agent.stop();
      keys.push(server.registrations[0]?.resumeKey);
    }
    expect(keys).toEqual([undefined, 'key-a', 'key-a', 'key-b']);
  });

  it('keeps a name that was made up over restarts', async () => {
    const { agent, server, stateDir, executor } = await agentFixture();
    await agent.drain();
    const names: (string | undefined)[] = [];
    for (let round = 0; round < 2; round += 1) {
      const unnamed = new Agent({ transport: server, executors: [executor.binding], stateDir });
      await unnamed.start();
      names.push(server.registrations.at(-1)?.name);
      await unnamed.drain();
    }
    expect(names[0]).toMatch(/^[A-Za-z0-9-]+-[0-9a-f]{4}$/);
    expect(names[1]).toBe(names[0]);
  });

  it('claims nothing while paused, says so, and goes on when resumed', async () => {
    const { agent, server } = await agentFixture();
    await agent.start();
    await agent.pause();
    const job = server.submit({ name: 'one', steps: [{ run: 'print 1' }] });
    await server.when(() => server.statuses.at(-1)?.state === 'paused');
    expect(job.accepted).toBe(false);
    await agent.resume();
    expect((await job.finished).outcome).toBe('succeeded');
  });

  it('drains at the command of the server', async () => {
    const { agent, server } = await agentFixture();
    await agent.start();
    server.command = 'drain';
    await agent.done;
    expect(agent.state).toBe('stopped');
  });

  it('runs no more builds at once than it has slots, each in a slot of its own', async () => {
    const { agent, server, executor } = await agentFixture({ maxConcurrent: 2 });
    await agent.start();
    let open!: () => void;
    executor.gate = new Promise((resolve) => {
      open = resolve;
    });
    const jobs = [1, 2, 3].map((number) => server.submit({ name: `job ${number}`, steps: [{ run: 'print 1' }] }));
    await server.when(() => jobs.filter(({ accepted }) => accepted).length === 2);
    expect(executor.requests.map(({ slot }) => slot).toSorted((a, b) => a - b)).toEqual([0, 1]);
    open();
    await Promise.all(jobs.map(({ finished }) => finished));
    expect(executor.requests).toHaveLength(3);
  });
});

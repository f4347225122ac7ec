import type { JobInput } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { type Logger, staticSecrets } from '../../src/index.js';
import { RitmoError } from '../../src/index.js';
import { agentFixture } from '../support/agent-fixture.js';
import { scriptedExecutor } from '../support/scripted-executor.js';

type Steps = JobInput['steps'];

/** Runs one job and answers what the server was told. */
async function run(job: Partial<JobInput> & { readonly steps: Steps }, secrets: Record<string, string> = {}) {
  const { agent, server, executor } = await agentFixture();
  await agent.start();
  const entry = server.submit({ name: 'a job', ...job }, secrets);
  const result = await entry.finished;
  await agent.drain();
  return { result, entry, executor };
}

describe('the outcome of a build', () => {
  it('is succeeded when every step exits with 0', async () => {
    const { result, entry } = await run({ steps: [{ run: 'print hello' }, { run: 'print world' }] });
    expect(result).toMatchObject({ outcome: 'succeeded', artifacts: 0, usage: { cpuMs: 12 } });
    expect(result.steps.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
    expect(entry.output).toBe('hello\nworld\n');
    expect(entry.seal?.length).toBe(entry.log.length);
    expect(result.log?.sha256).toBe(entry.seal?.sha256);
  });

  it('is told to the log of the agent, with the name of the job', async () => {
    const said: [message: string, fields: object][] = [];
    const loggerOf = (own: object): Logger => ({
      child: (fields) => loggerOf({ ...own, ...fields }),
      debug: () => undefined,
      info: (fields, message) => void said.push([message, { ...own, ...fields }]),
      warn: () => undefined,
      error: () => undefined,
    });
    const { agent, server } = await agentFixture({ log: loggerOf({}) });
    await agent.start();
    const { offer, finished } = server.submit({ name: 'web', steps: [{ run: 'exit 3' }] });
    const { jobId } = offer.lease;
    await finished;
    await agent.drain();
    expect(said).toContainEqual(['a build begins', { job: jobId, epoch: 1, jobName: 'web' }]);
    const end = { job: jobId, epoch: 1, jobName: 'web', outcome: 'failed', durationMs: expect.any(Number) };
    expect(said).toContainEqual(['a build has ended', end]);
  });

  it.each([
    ['never says', () => new Promise<never>(() => undefined)],
    [
      'throws when asked',
      () => {
        throw new Error('a defect');
      },
    ],
  ])('is told without what was used where the sandbox %s', async (_name, usage) => {
    const { agent, server } = await agentFixture({ executor: scriptedExecutor({ usage }) });
    await agent.start();
    const result = await server.submit({ name: 'a job', steps: [{ run: 'print hello' }] }).finished;
    expect(result.outcome).toBe('succeeded');
    expect(result.usage).toBeUndefined();
    await agent.drain();
  });

  it('is failed by the first step that fails, with its exit code and a sentence', async () => {
    const { result, entry } = await run({
      steps: [{ name: 'Test', run: 'exit 3' }, { run: 'print never' }],
    });
    expect(result).toMatchObject({
      outcome: 'failed',
      exitCode: 3,
      failure: { code: 'RITMO_STEP_FAILED', message: expect.stringMatching(/^step "Test" exited with 3 after /) },
    });
    expect(result.steps.map(({ status }) => status)).toEqual(['failed', 'skipped']);
    expect(entry.notes.at(-1)).toMatch(/^failed: step "Test" exited with 3/);
  });

  it('names a step without a name by its script, with the quotes of that as they are', async () => {
    const { result } = await run({ steps: [{ run: '# "a" \\ b\nsignal KILL "x"' }] });
    expect(result.failure?.message).toMatch(/^step 'signal KILL "x"' was ended by/);
  });

  it('lets failure and always steps run after a failure, and only those', async () => {
    const { result, entry } = await run({
      steps: [
        { run: 'exit 1' },
        { run: 'print success', when: 'success' },
        { run: 'print failure', when: 'failure' },
        { run: 'print always', when: 'always' },
      ],
    });
    expect(result.outcome).toBe('failed');
    expect(entry.output).toBe('failure\nalways\n');
  });

  it('runs no failure step when nothing failed', async () => {
    const { entry } = await run({ steps: [{ run: 'print one' }, { run: 'print two', when: 'failure' }] });
    expect(entry.output).toBe('one\n');
  });

  it('forgives a step that may fail', async () => {
    const { result, entry } = await run({
      steps: [{ run: 'exit 1', continueOnError: true }, { run: 'print on' }],
    });
    expect(result.outcome).toBe('succeeded');
    expect(result.steps[0]?.status).toBe('failed');
    expect(entry.output).toBe('on\n');
  });

  it('names the signal that ended a step', async () => {
    const { result } = await run({ steps: [{ run: 'signal SIGSEGV' }] });
    expect(result).toMatchObject({ outcome: 'failed', signal: 'SIGSEGV' });
  });

  it('is timed out by the timeout of a step, and cleanup still runs', async () => {
    const { result, entry } = await run({
      steps: [
        { name: 'Slow', run: 'hang', timeout: 20 },
        { run: 'print cleanup', when: 'always' },
      ],
    });
    expect(result).toMatchObject({ outcome: 'timed_out', failure: { code: 'RITMO_STEP_TIMEOUT' } });
    expect(result.steps[0]?.status).toBe('timed_out');
    expect(entry.output).toBe('cleanup\n');
  });

  it('is timed out by the timeout of the job', async () => {
    const { result } = await run({ timeout: 30, steps: [{ run: 'hang' }, { run: 'print never' }] });
    expect(result).toMatchObject({ outcome: 'timed_out', failure: { code: 'RITMO_JOB_TIMEOUT' } });
  });

  it('is failed when a step cannot start, and says why', async () => {
    const { result, entry } = await run({ steps: [{ name: 'B', run: 'not-started', shell: 'bash' }] });
    expect(result).toMatchObject({
      outcome: 'failed',
      failure: { code: 'RITMO_STEP_NOT_STARTED', message: 'step "B" could not start: there is no bash' },
    });
    expect(entry.notes).toContain('there is no bash');
  });

  it('is errored when the sandbox breaks, and nothing is left', async () => {
    const { result, executor } = await run({ steps: [{ run: 'break' }, { run: 'print x', when: 'always' }] });
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_SANDBOX_BROKEN', retryable: true } });
    expect(executor.open).toEqual(new Set());
  });

  it('notes what a step left running', async () => {
    const { entry } = await run({ steps: [{ run: 'leave 2\nexit 0' }] });
    expect(entry.notes.join('\n')).toMatch(/2 processes that the step left running were ended.*services/);
  });
});

describe('a result that the server refuses', () => {
  it('is told as errored instead, so that the job has an end', async () => {
    const { agent, server } = await agentFixture();
    const finish = server.finish.bind(server);
    let refusals = 1;
    server.finish = (lease, result, signal) => {
      if (refusals === 0) return finish(lease, result, signal);
      refusals -= 1;
      return Promise.reject(new RitmoError('RITMO_INVALID_REQUEST', 'exitCode is no number'));
    };
    await agent.start();
    const result = await server.submit({ name: 'odd', steps: [{ run: 'exit 1' }] }).finished;
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_INTERNAL', retryable: false } });
  });
});

describe('a job that cannot run here', () => {
  const steps: Steps = [{ run: 'print never' }];
  it.each<[string, Partial<JobInput>, string]>([
    ['an isolation that is not enabled', { isolation: 'vm' }, 'RITMO_ISOLATION_NOT_ENABLED'],
    ['a network that is not declared', { network: 'isolated' }, 'RITMO_EXECUTOR_UNSUPPORTED'],
    ['a limit that is not declared', { limits: { memory: 1_000_000 } }, 'RITMO_EXECUTOR_UNSUPPORTED'],
    ['an image where there are none', { image: { reference: 'x' } }, 'RITMO_EXECUTOR_UNSUPPORTED'],
    [
      'services where there are none',
      { services: { db: { image: { reference: 'x' } } } },
      'RITMO_EXECUTOR_UNSUPPORTED',
    ],
    ['a secret that was not delivered', { secrets: [{ name: 'TOKEN' }] }, 'RITMO_SECRET_MISSING'],
  ])('%s ends as errored before anything is made', async (_title, job, code) => {
    const { result, executor } = await run({ ...job, steps });
    expect(result).toMatchObject({ outcome: 'errored', failure: { code } });
    expect(result.failure?.hint).not.toBe('');
    expect(executor.requests).toEqual([]);
  });
});

describe('the environment of a step', () => {
  it('holds what the job reference promises, and nothing of the agent', async () => {
    process.env['RITMO_TEST_OF_AGENT'] = 'leak';
    const names = ['CI', 'RITMO', 'RITMO_JOB_ID', 'RITMO_JOB_NAME', 'RITMO_ATTEMPT', 'RITMO_STEP', 'RITMO_WORKER'];
    const { entry } = await run({
      name: 'env',
      env: { CI: 'no', A: 'job' },
      steps: [
        {
          name: 'Look',
          env: { A: 'step' },
          run: [...names, 'RITMO_WORKSPACE', 'A', 'RITMO_TEST_OF_AGENT'].map((name) => `env ${name}`).join('\n'),
        },
      ],
    });
    delete process.env['RITMO_TEST_OF_AGENT'];
    expect(entry.output.trim().split('\n')).toEqual([
      'CI=no',
      'RITMO=true',
      'RITMO_JOB_ID=job-1',
      'RITMO_JOB_NAME=env',
      'RITMO_ATTEMPT=1',
      'RITMO_STEP=Look',
      'RITMO_WORKER=tester',
      'RITMO_WORKSPACE=/workspace',
      'A=step',
      'RITMO_TEST_OF_AGENT=(unset)',
    ]);
  });

  it('gives secrets as variables and as files, and hides them in everything that is recorded', async () => {
    const secrets = { TOKEN: 'hunter2hunter3', KEY: 'line one of the key\nline two of the key' };
    const { entry, executor, result } = await run(
      {
        secrets: [{ name: 'TOKEN' }, { name: 'KEY', as: 'file' }],
        steps: [{ name: 'print hunter2hunter3', run: 'env TOKEN\nread KEY\nprint line two of the key\nexit 1' }],
      },
      secrets,
    );
    expect(executor.log).toContain(`KEY: ${secrets.KEY}`);
    expect(entry.output).toBe('TOKEN=***\n***\n');
    expect(entry.log.toString()).not.toMatch(/hunter2hunter3|line two of the key/);
    expect(JSON.stringify(result)).not.toContain('hunter2hunter3');
  });

  it('shows no beginning of a secret where a name made of a script is cut', async () => {
    const { entry, result } = await run(
      { secrets: [{ name: 'TOKEN' }], steps: [{ run: `print ${'x'.repeat(60)} hunter2hunter3hunter4` }] },
      { TOKEN: 'hunter2hunter3hunter4' },
    );
    expect(result.steps[0]?.name).toBe(`print ${'x'.repeat(60)} ***`);
    expect(entry.log.toString()).not.toContain('hunter2');
  });

  it('hides secrets in why a step could not start', async () => {
    const { result } = await run(
      { secrets: [{ name: 'TOKEN' }], steps: [{ name: 'B', run: 'not-started' }] },
      { TOKEN: 'no bash' },
    );
    expect(result.failure?.message).toBe('step "B" could not start: there is ***');
  });
});

describe('secrets of the worker', () => {
  const source = { providers: [staticSecrets({ TOKEN: 'of the worker', KEEP: 'kept back' })], allow: ['TOKEN'] };

  async function withProviders(job: Omit<JobInput, 'name' | 'version'>, secrets: Record<string, string>) {
    const fixture = await agentFixture({ secrets: source });
    const entry = fixture.server.submit({ name: 'a job', ...job }, secrets);
    await fixture.agent.start();
    return { entry, result: await entry.finished };
  }

  it('reach jobs that name them and are hidden as others are', async () => {
    const steps = [{ run: 'env TOKEN\nprint of the worker' }];
    const { entry, result } = await withProviders({ secrets: [{ name: 'TOKEN' }], steps }, {});
    expect(result.outcome).toBe('succeeded');
    expect(entry.output).toBe('TOKEN=***\n***\n');
  });

  it('are not used for a name whose value came with the job', async () => {
    const steps = [{ run: 'print of the worker' }];
    const { entry } = await withProviders({ secrets: [{ name: 'TOKEN' }], steps }, { TOKEN: 'of the job' });
    expect(entry.output).toBe('of the worker\n');
  });

  it('that the operator does not allow are missing', async () => {
    const { result } = await withProviders({ secrets: [{ name: 'KEEP' }], steps: [{ run: 'env KEEP' }] }, {});
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_SECRET_MISSING' } });
  });
});

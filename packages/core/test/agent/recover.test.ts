import type { JobResult } from '@ritmo/protocol';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { StateDir } from '../../src/journal/state-dir.js';
import { LogRecorder, MaskSet } from '../../src/log/index.js';
import { agentFixture, temporaryFolder } from '../support/agent-fixture.js';
import { MemoryServer } from '../support/memory-server.js';

/** A state directory as an agent leaves it that is killed while job-1 prints. */
async function crashed(result?: JobResult): Promise<string> {
  const stateDir = await temporaryFolder();
  const state = await StateDir.open(stateDir);
  const lease = { jobId: 'job-1', epoch: 1 };
  const recorder = await LogRecorder.open({
    path: state.spoolPath('job-1', 1),
    ...lease,
    clock: systemClock,
    masks: new MaskSet(),
  });
  recorder.stepStarted(0, 'Build', 'make');
  await recorder.output(0).write('stdout', Buffer.from('half of the text\n'));
  const { length, sha256, truncatedBytes } = await recorder.close();
  await state.journal.write({
    version: 1,
    ...lease,
    jobName: 'unit-tests',
    claimedAt: new Date().toISOString(),
    ...(result && { result, seal: { length, sha256, truncatedBytes } }),
  });
  await state.close();
  return stateDir;
}

/** The server as it looks to the agent after its restart: it knows the job and handed out its lease. */
function serverWithLease(): { server: MemoryServer; job: ReturnType<MemoryServer['submit']> } {
  const server = new MemoryServer();
  const job = server.submit({ name: 'unit-tests', steps: [{ run: 'print x' }] });
  server.takeAll();
  server.heldLeases = [{ jobId: 'job-1', epoch: 1 }];
  return { server, job };
}

describe('after a crash', () => {
  it('sends the rest of the log with a note, seals it and reports the build as errored', async () => {
    const { server, job } = serverWithLease();
    const { agent, stateDir } = await agentFixture({ server, stateDir: await crashed() });
    await agent.start();
    expect(await job.finished).toMatchObject({
      outcome: 'errored',
      failure: { code: 'RITMO_AGENT_CRASHED', retryable: true },
    });
    expect(server.adopted).toEqual([{ jobId: 'job-1', epoch: 1, intent: 'finish' }]);
    expect(job.output).toBe('half of the text\n');
    expect(job.notes.at(-1)).toMatch(/The agent died here/);
    expect(job.seal?.length).toBe(job.log.length);
    await agent.drain();
    expect(await readdir(join(stateDir, 'journal'))).toEqual([]);
    expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
  });

  it('reports the own result of a build that had ended', async () => {
    const { server, job } = serverWithLease();
    const result: JobResult = { outcome: 'failed', exitCode: 7, steps: [], durationMs: 5, artifacts: 0 };
    const { agent } = await agentFixture({ server, stateDir: await crashed(result) });
    await agent.start();
    expect(await job.finished).toMatchObject({ outcome: 'failed', exitCode: 7 });
    expect(job.notes).toEqual([]);
  });

  it('goes on where the server already has a part of the log', async () => {
    const { server, job } = serverWithLease();
    const stateDir = await crashed();
    const { agent } = await agentFixture({ server, stateDir });
    const { readFile } = await import('node:fs/promises');
    const spool = await readFile(join(stateDir, 'spool', 'job-1.1.log'));
    job.log = Buffer.from(spool.subarray(0, 100));
    await agent.start();
    await job.finished;
    expect(job.log.subarray(0, spool.length)).toEqual(spool);
  });

  it('forgets a build that the server gave to somebody else', async () => {
    const server = new MemoryServer();
    const { agent, stateDir } = await agentFixture({ server, stateDir: await crashed() });
    await agent.start();
    await agent.drain();
    expect(server.calls).not.toContain('finish');
    expect(await readdir(join(stateDir, 'journal'))).toEqual([]);
    expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
  });

  it('drops a lease of which nothing is known', async () => {
    const server = new MemoryServer();
    server.heldLeases = [{ jobId: 'job-9', epoch: 4 }];
    const { agent } = await agentFixture({ server });
    await agent.start();
    expect(server.adopted).toEqual([{ jobId: 'job-9', epoch: 4, intent: 'drop' }]);
  });

  it('takes new jobs while it still reports', async () => {
    const { server, job } = serverWithLease();
    let open!: () => void;
    server.blocked.set('logOffset', new Promise((resolve) => (open = resolve)));
    const { agent } = await agentFixture({ server, stateDir: await crashed() });
    await agent.start();
    const next = server.submit({ name: 'next', steps: [{ run: 'print next' }] });
    expect((await next.finished).outcome).toBe('succeeded');
    expect(job.result).toBeUndefined();
    open();
    expect((await job.finished).outcome).toBe('errored');
  });
});

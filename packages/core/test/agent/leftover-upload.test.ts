import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import type { CollectedEntry } from '../../src/executor.js';
import { folderArtifactStore } from '../../src/index.js';
import { StateDir } from '../../src/journal/state-dir.js';
import { LogRecorder, MaskSet } from '../../src/log/index.js';
import { agentFixture, temporaryFolder } from '../support/agent-fixture.js';
import { MemoryServer } from '../support/memory-server.js';
import { scriptedExecutor } from '../support/scripted-executor.js';

const lease = { jobId: 'job-1', epoch: 1 };
const secret = 'hunter2-hunter2';

function file(path: string, content: string): CollectedEntry {
  const bytes = Buffer.from(content);
  const part = async function* (start: number, end: number) {
    yield bytes.subarray(start, end);
  };
  return { kind: 'file', path, mode: 0o644, mtimeMs: 0, size: bytes.length, body: part(0, bytes.length), range: part };
}

interface Died {
  readonly tries?: number;
  /** Whether the memory of the machine was lost too. */
  readonly forgetful?: boolean;
  readonly outcome?: 'succeeded' | 'failed';
}

/** A state directory as an agent leaves it that is killed while it stores the artifacts of job-1. */
async function killedWhileStoring({ tries = 0, forgetful = false, outcome = 'succeeded' }: Died = {}): Promise<string> {
  const stateDir = await temporaryFolder();
  const state = await StateDir.open(stateDir);
  const recorder = await LogRecorder.open({
    path: state.spoolPath('job-1', 1),
    ...lease,
    clock: systemClock,
    masks: new MaskSet(),
  });
  recorder.note('info', 'the steps have ended');
  await recorder[Symbol.asyncDispose]();
  if (!forgetful) state.masks.keepAll(lease, [secret]);
  await state.journal.write({
    version: 1,
    ...lease,
    jobName: 'unit-tests',
    executor: 'scripted',
    claimedAt: new Date().toISOString(),
    sandbox: { sandboxId: 'sandbox-1', executor: 'scripted', stateVersion: 1, state: {} },
    storing: {
      artifacts: [{ name: 'out', paths: ['**'], exclude: [], when: 'always', required: false, dotfiles: false }],
      onLost: 'fail',
      verdict: outcome === 'succeeded' ? { outcome } : { outcome, exitCode: 3 },
      steps: [],
      masks: 1,
      tries,
    },
  });
  await state.close();
  return stateDir;
}

async function restarted(died: Died = {}, reopens = true) {
  const server = new MemoryServer();
  const job = server.submit({ name: 'unit-tests', steps: [{ run: 'print x' }] });
  server.takeAll();
  server.heldLeases = [lease];
  const stateDir = await killedWhileStoring(died);
  const stored = await temporaryFolder();
  const artifacts = [file('report.txt', 'fine'), file(`of-${secret}`, 'named')];
  const executor = scriptedExecutor({ artifacts, reopens });
  const fixture = await agentFixture({ server, stateDir, executor, artifacts: folderArtifactStore(stored) });
  await fixture.agent.start();
  const result = await job.finished;
  await fixture.agent.drain();
  expect([...executor.open]).toEqual([]);
  expect(await readdir(join(stateDir, 'journal'))).toEqual([]);
  expect(await readdir(join(stateDir, 'spool'))).toEqual([]);
  return { job, result, executor, folder: join(stored, 'job-1', 'out') };
}

describe('an agent that was killed while it stored artifacts', () => {
  it('stores them after its restart, with secrets taken out of names, and reports the end of the steps', async () => {
    const { job, result, executor, folder } = await restarted();
    expect(result).toMatchObject({ outcome: 'succeeded', artifacts: 2 });
    expect(executor.log).toContain('sweep but sandbox-1');
    expect((await readdir(folder)).toSorted()).toEqual(['of-***', 'report.txt']);
    expect(await readFile(join(folder, 'report.txt'), 'utf8')).toBe('fine');
    expect(job.notes.join('\n')).toMatch(/The agent died while artifacts were stored; the one after it goes on\./);
    expect(job.seal?.length).toBe(job.log.length);
  });

  it('keeps the outcome of a build that failed', async () => {
    const { result, folder } = await restarted({ outcome: 'failed' });
    expect(result).toMatchObject({ outcome: 'failed', exitCode: 3, artifacts: 2 });
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('stores nothing where a secret is not known any more that a name could hold', async () => {
    const { result, folder } = await restarted({ forgetful: true });
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
    await expect(readdir(folder)).rejects.toThrow('ENOENT');
  });

  it('gives up after the fifth agent that died of it', async () => {
    const { result, executor } = await restarted({ tries: 5 });
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
    expect(executor.log).toContain('sweep but ');
  });

  it('reports the build as errored where its executor cannot open the files again', async () => {
    const { result } = await restarted({}, false);
    expect(result).toMatchObject({ outcome: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
  });
});

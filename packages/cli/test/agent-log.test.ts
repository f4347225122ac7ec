import { RitmoError } from '@ritmo/agent-core/executor';
import { describe, expect, test } from 'vitest';
import { agentLog } from '../src/agent-log.js';
import { memoryIo, memoryOutput } from './support/output.js';

describe('the log of the agent', () => {
  test('is JSON lines where no person looks', () => {
    const io = memoryIo();
    const log = agentLog('info', io).child({ worker: 'w1' });
    log.debug({}, 'not said');
    log.warn({ jobId: 'j1' }, 'careful');
    const lines = io.err.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([
      { level: 'warn', time: expect.stringMatching(/^\d{4}-.+Z$/), worker: 'w1', jobId: 'j1', msg: 'careful' },
    ]);
    expect(io.out.text).toBe('');
  });

  test('says errors of ours by their code, and defects with their stack', () => {
    const io = memoryIo();
    const log = agentLog('info', io);
    log.error({ err: new RitmoError('RITMO_DISK_FULL', 'No room.') }, 'it failed');
    log.error({ err: new TypeError('x is undefined') }, 'it broke');
    const [ours, defect] = io.err.text.trimEnd().split('\n');
    expect(ours).toContain('"code":"RITMO_DISK_FULL"');
    expect(ours).not.toContain('stack');
    expect(defect).toContain('"stack":"TypeError: x is undefined');
  });

  test('is readable on a terminal, and cannot steer it', () => {
    const err = memoryOutput({ terminal: true });
    const log = agentLog('info', { ...memoryIo(), err });
    log.error({ err: new Error('no\u001b[2J room'), jobId: 'j1' }, 'it failed');
    expect(err.text).toMatch(/^\[\d\d:\d\d:\d\d\] ERROR: it failed: no room \(jobId=j1\)\n/);
    expect(err.text).not.toContain('\u001b');
  });

  test('says on a terminal which job it is about, and how that ended', () => {
    const err = memoryOutput({ terminal: true });
    const log = agentLog('info', { ...memoryIo(), err }).child({ job: 'j1', epoch: 1 });
    log.info({ jobName: 'web', outcome: 'failed', durationMs: 12 }, 'a build has ended');
    expect(err.text).toContain('INFO: a build has ended (jobName=web outcome=failed job=j1)\n');
  });
});

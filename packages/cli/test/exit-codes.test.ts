import { codes, isCode, jobStates } from '@ritmo/protocol';
import { describe, expect, test } from 'vitest';
import { exitCodeOfError, exitCodeOfJob } from '../src/exit-codes.js';

describe('exit codes', () => {
  test('follow the job', () => {
    const byState = Object.fromEntries(jobStates.map((state) => [state, exitCodeOfJob(state)]));
    expect(byState).toMatchObject({ succeeded: 0, failed: 1, timed_out: 124, cancelled: 130, errored: 70, lost: 70 });
  });

  test.each([
    ['RITMO_USAGE', 2],
    ['RITMO_JOB_INVALID', 2],
    ['RITMO_SECRET_MISSING', 2],
    ['RITMO_SERVER_UNREACHABLE', 69],
    ['RITMO_EXECUTOR_UNAVAILABLE', 69],
    ['RITMO_STATE_LOCKED', 69],
    ['RITMO_INTERNAL', 70],
  ] as const)('of %s is %i', (code, exit) => expect(exitCodeOfError(code)).toBe(exit));

  test('of every code is one of those that are documented', () => {
    for (const code of Object.keys(codes).filter(isCode)) expect([2, 69, 70]).toContain(exitCodeOfError(code));
  });
});

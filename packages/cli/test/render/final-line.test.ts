import { describe, expect, test } from 'vitest';
import { finalLine } from '../../src/render/final-line.js';
import { styleOf } from '../../src/render/style.js';

const plain = styleOf(false);
const failure = (code: string, message: string, hint?: string) => ({
  code,
  message,
  retryable: false,
  ...(hint === undefined ? {} : { hint }),
});

describe('the last line', () => {
  test.each([
    [{ state: 'succeeded', durationMs: 12_300 } as const, 'succeeded in 12.3 s\n'],
    [
      {
        state: 'failed',
        failure: failure('RITMO_STEP_FAILED', 'step "Test" exited with 1 after 12.3 s', 'x'),
      } as const,
      'failed: step "Test" exited with 1 after 12.3 s\n',
    ],
    [
      { state: 'timed_out', failure: failure('RITMO_JOB_TIMEOUT', 'The job ran too long.', 'Raise it.') } as const,
      'timed out: The job ran too long (RITMO_JOB_TIMEOUT)\nhint: Raise it.\n',
    ],
    [{ state: 'lost' } as const, 'lost\n'],
    [{ state: 'errored', failure: failure('RITMO_X', 'a\u001b[2J\nb') } as const, 'errored: a b (RITMO_X)\n'],
  ])('of %j', (ending, line) => expect(finalLine(ending, plain)).toBe(line));

  test('is green or red where there are colours', () => {
    expect(finalLine({ state: 'succeeded' }, styleOf(true))).toBe('\u001b[32msucceeded\u001b[39m\n');
    expect(finalLine({ state: 'lost' }, styleOf(true))).toBe('\u001b[31mlost\u001b[39m\n');
  });
});

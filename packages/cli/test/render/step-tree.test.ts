import type { StepResult } from '@ritmo/protocol';
import { describe, expect, test } from 'vitest';
import { stepTree } from '../../src/render/step-tree.js';
import { styleOf } from '../../src/render/style.js';

const out = (columns = 80) => ({ columns, style: styleOf(false) });
const step = (name: string, rest: Partial<StepResult> = {}): StepResult => ({
  index: 0,
  name,
  status: 'succeeded',
  durationMs: 1200,
  ...rest,
});

describe('the steps of an ended build', () => {
  test('stand beneath each other with how each ended and how long it took', () => {
    const tree = stepTree(
      [
        step('Install'),
        step('Test', { status: 'failed', exitCode: 2, durationMs: 64_000 }),
        step('Segfault', { status: 'failed', signal: 'SIGSEGV' }),
        step('Big', { status: 'failed', exitCode: 137, limit: 'memory' }),
        step('Slow', { status: 'timed_out' }),
        step('Stopped', { status: 'cancelled' }),
        step('Broken', { status: 'errored' }),
        step('Publish', { status: 'skipped', durationMs: 0 }),
      ],
      out(),
    );
    expect(tree).toBe(
      [
        '',
        '  ✓ Install   1.2 s',
        '  ✗ Test      exit code 2, 1 min 4 s',
        '  ✗ Segfault  ended by SIGSEGV, 1.2 s',
        '  ✗ Big       exit code 137 at its memory limit, 1.2 s',
        '  ■ Slow      timed out, 1.2 s',
        '  ■ Stopped   cancelled, 1.2 s',
        '  ✗ Broken    errored, 1.2 s',
        '  – Publish   not run',
        '',
      ].join('\n'),
    );
  });

  test('are left out for a single one, of which all is said already', () => {
    expect(stepTree([step('Only')], out())).toBe('');
  });

  test('fit a narrow window', () => {
    const tree = stepTree([step('A name that is much too long for it'), step('B', { status: 'skipped' })], out(24));
    for (const line of tree.split('\n')) expect(line.length).toBeLessThanOrEqual(24);
    expect(tree).toContain('A name tha');
    expect(tree).toContain('…  1.2 s');
  });

  test('cannot steer the terminal by their names', () => {
    expect(stepTree([step('a\u001b[2Jb\nc'), step('B')], out())).not.toContain('\u001b');
  });
});

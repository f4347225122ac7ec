import { RitmoError } from '@ritmo/agent-core/executor';
import { describe, expect, test } from 'vitest';
import { showError } from '../src/show-error.js';
import { memoryOutput } from './support/output.js';

function shown(error: unknown): string {
  const err = memoryOutput();
  showError(error, err);
  return err.text;
}

describe('an error', () => {
  test('is a sentence, a code and a hint', () => {
    expect(shown(new RitmoError('RITMO_USAGE', 'That is wrong.', { hint: 'Do this.' }))).toBe(
      'error: That is wrong. (RITMO_USAGE)\nhint: Do this.\n',
    );
  });

  test('is broken between words on a terminal that is too narrow for it', () => {
    const err = memoryOutput({ terminal: true, columns: 40 });
    showError(new RitmoError('RITMO_USAGE', 'That is wrong in more than one way.', { hint: 'Do this.' }), err);
    expect(err.text).toBe('error: That is wrong in more than one\n  way. (RITMO_USAGE)\nhint: Do this.\n');
  });

  test('of several lines has its code on the first', () => {
    expect(shown(new RitmoError('RITMO_USAGE', 'Two:\na\nb', { hint: 'x' }))).toBe(
      'error: Two: (RITMO_USAGE)\n  a\n  b\nhint: x\n',
    );
  });

  test('of another package keeps its code and hint', () => {
    const error = Object.assign(new Error('The port is taken.'), { code: 'RITMO_UNAVAILABLE', hint: 'Use --port.' });
    expect(shown(error)).toBe('error: The port is taken. (RITMO_UNAVAILABLE)\nhint: Use --port.\n');
  });

  test('of nobody is a defect, and shows no stack', () => {
    const text = shown(new TypeError('x is undefined'));
    expect(text).toMatch(/^error: x is undefined \(RITMO_INTERNAL\)\nhint: .+\n$/);
    expect(text).not.toContain('show-error.test');
  });

  test('cannot steer the terminal', () => {
    expect(shown(new RitmoError('RITMO_USAGE', 'a\u001b[2J\u001b]0;t\u0007b', { hint: '\u001b[31mc' }))).toBe(
      'error: ab (RITMO_USAGE)\nhint: c\n',
    );
  });
});

import { describe, expect, test } from 'vitest';
import { nearest } from '../src/index.js';

describe('the nearest word', () => {
  test.each([
    ['timeuot', 'timeout'],
    ['continueonerror', 'continueOnError'],
    ['step', 'steps'],
    ['cpu', 'cpus'],
    ['memory', undefined],
    ['', undefined],
  ])('of %j is %j', (word, meant) => {
    expect(nearest(word, ['timeout', 'steps', 'continueOnError', 'cpus', 'name'])).toBe(meant);
  });

  test('of no candidates is none', () => expect(nearest('x', [])).toBeUndefined());
});

import { expect, test } from 'vitest';
import { table } from '../../src/render/table.js';

test('columns are as wide as their widest cell', () => {
  expect(
    table([
      ['a', 'one', 'x'],
      ['long', '2', 'yy'],
    ]),
  ).toBe('a     one  x\nlong  2    yy\n');
});

test('the last column is broken between words, and goes on below itself', () => {
  const text = table([['name', 'some words that do not fit into what is left']], 31);
  expect(text).toBe('name  some words that do not\n      fit into what is left\n');
});

test('the last column stands below the others where there is no room beside them', () => {
  const rows = [
    ['a long name', 'some words that do not fit in here'],
    ['short', 'few words'],
  ];
  expect(table(rows, 30)).toBe('a long name\n    some words that do not fit\n    in here\nshort\n    few words\n');
});

test('a window that is too narrow for that is left alone', () => {
  expect(table([['a name', 'some words that do not fit']], 20)).toBe('a name  some words that do not fit\n');
});

test('a word that is too long stays whole', () => {
  expect(table([['a', `see ${'x'.repeat(40)} there`]], 30)).toBe(`a  see\n   ${'x'.repeat(40)}\n   there\n`);
});

import { expect, test } from 'vitest';
import { styleOf } from '../../src/render/style.js';
import { wrapped } from '../../src/render/wrap.js';

const narrow = { terminal: true, columns: 30 };

test('lines are broken between words, and go on two columns in', () => {
  expect(wrapped('some words that do not fit into one line\nshort\n', narrow)).toBe(
    'some words that do not fit\n  into one line\nshort\n',
  );
});

test('colours of ours take no room', () => {
  const { red, dim } = styleOf(true);
  expect(wrapped(`${red('error:')} it is twenty long ${dim('(A)')}\n`, narrow)).toBe(
    `${red('error:')} it is twenty long ${dim('(A)')}\n`,
  );
});

test('a word that is too long stays whole', () => {
  expect(wrapped(`see ${'x'.repeat(40)} there`, narrow)).toBe(`see\n  ${'x'.repeat(40)}\n  there`);
});

test('what is no terminal, and one that is too narrow, are left alone', () => {
  const text = 'some words that do not fit into one line';
  expect(wrapped(text, { terminal: false, columns: 30 })).toBe(text);
  expect(wrapped(text, { terminal: true, columns: 20 })).toBe(text);
});

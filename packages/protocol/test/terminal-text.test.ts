import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { oneLine, TerminalFilter } from '../src/terminal-text.js';

const filter = (text: string, options = { colours: true, erase: true }) => {
  const one = new TerminalFilter(options);
  return one.push(text) + one.end();
};
const esc = '\u001b';

describe('what a build may print to a terminal', () => {
  test.each([
    ['text, tabs and line ends', 'a\tb\r\nc\n', 'a\tb\r\nc\n'],
    ['a progress line', `10 %\r${esc}[K20 %\r${esc}[2K30 %`, `10 %\r${esc}[K20 %\r${esc}[2K30 %`],
    ['colours, given back at the end', `${esc}[1;31mred`, `${esc}[1;31mred${esc}[0m`],
    ['colours that it ends itself', `${esc}[31mred${esc}[0m`, `${esc}[31mred${esc}[0m`],
    [
      '256 and true colours',
      `${esc}[38;5;8mx${esc}[48;2;8;8;8my${esc}[m`,
      `${esc}[38;5;8mx${esc}[48;2;8;8;8my${esc}[m`,
    ],
    ['emoji and right-to-left text', '🎉 שלום', '🎉 שלום'],
  ])('%s pass', (_what, text, shown) => expect(filter(text)).toBe(shown));

  test.each([
    ['cursor moves', `a${esc}[2Ab${esc}[10;10Hc${esc}[Gd`, 'abcd'],
    ['clearing the screen', `${esc}[2J${esc}[3J${esc}ca`, 'a'],
    ['the window title', `${esc}]0;title\u0007a${esc}]2;title${esc}\\b`, 'ab'],
    ['the clipboard', `${esc}]52;c;aGk=\u0007a`, 'a'],
    ['links', `${esc}]8;;https://evil\u0007click${esc}]8;;\u0007`, 'click'],
    ['device control and the like', `${esc}Pq#0${esc}\\a${esc}_x${esc}\\b${esc}^y${esc}\\c`, 'abc'],
    ['questions that the terminal answers', `${esc}[6n${esc}[c${esc}[>c${esc}Za`, 'a'],
    ['character sets', `${esc}(0a${esc})Bb`, 'ab'],
    ['the other screen', `${esc}[?1049ha`, 'a'],
    ['a private mode that looks like a colour', `${esc}[>4;2ma`, 'a'],
    ['a sequence broken by a newline', `${esc}[31\nx`, '\nx'],
    ['hidden text', `${esc}[8msecret${esc}[31;8;1mx${esc}[0m`, `secret${esc}[31;1mx${esc}[0m`],
    ['control characters, C1 too', '\u0000\u0007\u0008\u007f\u009b31m\u009dx', '31mx'],
    ['text turned around', 'a\u202eb\u2066c', 'abc'],
    ['an over-long sequence', `${esc}[${'1;'.repeat(100)}ma`, `${'1;'.repeat(68)}ma`],
    ['a string without end, beyond its line', `${esc}]0;never closed\nnext`, '\nnext'],
    ['an escape within a sequence', `${esc}[31${esc}[32mx${esc}[0m`, `${esc}[32mx${esc}[0m`],
  ])('%s are taken out', (_what, text, shown) => expect(filter(text)).toBe(shown));

  test('colours and erase-line go where they are not wanted', () => {
    expect(filter(`${esc}[31mred${esc}[0m${esc}[K`, { colours: false, erase: false })).toBe('red');
  });

  const hostile = fc.array(
    fc.oneof(
      fc.constantFrom(
        esc,
        '[',
        ']',
        'm',
        'K',
        'H',
        ';',
        '8',
        '38',
        '5',
        '?',
        '\u0007',
        '\\',
        '\n',
        '\r',
        '\u009b',
        '\u202e',
        'P',
        ' ',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 40 },
  );

  test('never is anything else, whatever it prints', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        // oxlint-disable-next-line no-control-regex
        const left = filter(parts.join('')).replaceAll(/\u001b\[([0-9;:]*m|[012]?K)/g, '');
        // oxlint-disable-next-line no-control-regex
        expect(left).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
      { numRuns: 2000 },
    );
  });

  test('is the same wherever the text is cut', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const one = new TerminalFilter({ colours: true, erase: true });
        const cut = parts.map((part) => one.push(part)).join('') + one.end();
        expect(cut).toBe(filter(parts.join('')));
      }),
      { numRuns: 2000 },
    );
  });
});

test('a name of others is one line without controls', () => {
  expect(oneLine(`a\n${esc}[31mb\u202e\tc\u200f `)).toBe('a b c');
});

// Control characters are what these tests are about.
// oxlint-disable no-control-regex
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TerminalFilter } from '../src/logs/terminal-filter.js';

const filter = (...parts: string[]) => {
  const one = new TerminalFilter();
  return parts.map((part) => one.filter(part)).join('') + one.end();
};

test.each([
  ['text, tab, newline and umlauts', 'a\tb\nü 🎉', 'a\tb\nü 🎉'],
  ['colours, reset at the end', '\u001b[1;31mx', '\u001b[1;31mx\u001b[0m'],
  ['erase-line and CR', '10%\r\u001b[2K', '10%\r\u001b[2K'],
  ['clear screen', 'a\u001b[2Jb', 'ab'],
  ['cursor movement', 'a\u001b[10;5Hb\u001b[A', 'ab'],
  ['a window title', '\u001b]0;evil\u0007a', 'a'],
  ['a link', '\u001b]8;;http://evil\u001b\\text\u001b]8;;\u001b\\', 'text'],
  ['a title without an end, up to the line’s end', '\u001b]0;evil\nnext', '\nnext'],
  ['a device control string', '\u001bPq#evil\u001b\\a', 'a'],
  ['private modes', '\u001b[?1049ha\u001b[?25l', 'a'],
  ['a private mode that looks like a colour', '\u001b[>4;2ma', 'a'],
  ['character sets', '\u001b(0a', 'a'],
  ['a full reset', '\u001bca', 'a'],
  ['8-bit controls', '\u009b31ma\u0085', '31ma'],
  ['bell, backspace, NUL, DEL', 'a\u0007\u0008\u0000\u007fb', 'ab'],
  ['a sequence broken by a newline', '\u001b[31\nx', '\nx'],
  ['text that runs backwards', 'a\u202egpj.exe', 'agpj.exe'],
])('%s', (_what, input, output) => {
  expect(filter(input)).toBe(output);
});

test('nothing but what is allowed passes, however the text is cut', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '\u001b',
      '\u001b[',
      '\u001b]',
      '0;',
      'm',
      'K',
      'J',
      '\u0007',
      '\u001b\\',
      '\n',
      '\r',
      'text',
      '\u009b',
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.nat(), (pieces, cut) => {
      const text = pieces.join('');
      const characters = Array.from(text);
      const at = cut % (characters.length + 1);
      const whole = filter(text);
      expect(filter(characters.slice(0, at).join(''), characters.slice(at).join(''))).toBe(whole);
      expect(whole.replaceAll(/\u001b\[[0-9;:]*[mK]/g, '')).not.toMatch(
        /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/,
      );
    }),
  );
});

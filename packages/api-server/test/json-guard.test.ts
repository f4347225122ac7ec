import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../src/http/json-guard.js';

test('what JSON.stringify wrote is read as it was', () => {
  const values = fc.jsonValue({ maxDepth: 8 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
  fc.assert(
    fc.property(values, fc.constantFrom(undefined, 2, '\t'), (value, space) => {
      const text = JSON.stringify(value, undefined, space);
      expect(parseJson(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('a key that is there twice is refused, wherever it hides', () => {
  const key = fc.string().filter((name) => name !== '__proto__');
  fc.assert(
    fc.property(
      key,
      fc.jsonValue({ maxDepth: 3 }).filter((value) => !JSON.stringify(value).includes('__proto__')),
      (name, value) => {
        const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
        expect(() => parseJson(`[1,{"x":[{${member} , ${member}}]}]`)).toThrow(/twice/);
      },
    ),
  );
});

test('the same key in two objects, and as a value, is no key twice', () => {
  expect(parseJson('{"a":{"b":1},"c":{"b":"b"},"d":["a","a"],"e":"}{,\\"a\\":1"}')).toBeTruthy();
});

test.each(['{"__proto__":1}', '{"a":[{"\\u005f\\u005fproto__":1}]}'])('%s is refused', (text) => {
  expect(() => parseJson(text)).toThrow(/__proto__/);
});

test('depth 32 is taken, 33 is not; brackets in text do not count', () => {
  expect(parseJson(`${'['.repeat(32)}${']'.repeat(32)}`)).toBeTruthy();
  expect(() => parseJson(`${'['.repeat(33)}${']'.repeat(33)}`)).toThrow(/deeper/);
  expect(parseJson(JSON.stringify('['.repeat(100)))).toBeTruthy();
});

test('65,536 values are taken, one more is not, whatever they are', () => {
  const list = (length: number) => `[${Array.from({ length }, () => '{}').join()}]`;
  // Each of these is counted twice: where it opens, and where it stands in the list.
  expect(parseJson(list(32_768))).toHaveLength(32_768);
  expect(() => parseJson(list(32_769))).toThrow(/more than 65536 values/);
  expect(parseJson(JSON.stringify(','.repeat(100_000)))).toHaveLength(100_000);
});

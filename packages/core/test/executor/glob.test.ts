import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlobs } from '../../src/executor.js';

const matches = (pattern: string, path: string, dot = true) =>
  compileGlobs([pattern], { dot }).some((glob) => glob.matches(path.split('/')));

/** The rules as they are said, by trying everything. */
function naive(parts: readonly string[], names: readonly string[], dot: boolean, before = '*'): boolean {
  const [part, ...rest] = parts;
  const [name, ...others] = names;
  if (part === undefined) return name === undefined;
  if (part === '**') {
    if (rest.length === 0 && name === undefined) return !/[*?[]/.test(before);
    return (
      naive(rest, names, dot, before) ||
      (name !== undefined && (dot || name[0] !== '.') && naive(parts, others, dot, ''))
    );
  }
  if (name === undefined || (!dot && name[0] === '.' && part[0] !== '.')) return false;
  return naiveName(part, name) && naive(rest, others, dot, part);
}

function naiveName(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const set = /^\[(!?)(.)-(.)\]/.exec(pattern);
  if (set !== null) {
    const inside = name !== '' && name[0]! >= set[2]! && name[0]! <= set[3]!;
    return name !== '' && inside === (set[1] === '') && naiveName(pattern.slice(set[0].length), name.slice(1));
  }
  const rest = pattern.slice(1);
  if (pattern[0] === '*') return naiveName(rest, name) || (name !== '' && naiveName(pattern, name.slice(1)));
  return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && naiveName(rest, name.slice(1));
}

describe('a glob', () => {
  it('means what trying everything finds', () => {
    const texts = (pieces: string[], max: number) =>
      fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: max }).map((chosen) => chosen.join(''));
    const part = fc.oneof(fc.constant('**'), texts(['a', 'b', '.', '*', '?', '[a-b]', '[!a-a]', '\n'], 5));
    const name = texts(['a', 'b', '.', 'aab', '\n'], 5).filter((one) => one !== '.' && one !== '..');
    const parts = fc
      .array(part, { minLength: 1, maxLength: 5 })
      .filter((all) => !all.includes('.') && !all.includes('..'));
    const names = fc.array(name, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(parts, names, fc.boolean(), (pattern, path, dot) => {
        expect(matches(pattern.join('/'), path.join('/'), dot)).toBe(naive(pattern, path, dot));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['((a|aa)+)+b', `${'a'.repeat(200)}X`],
    [`${'*a'.repeat(2_000)}*b`, 'a'.repeat(255)],
    [`${'**/a/'.repeat(500)}b`, Array.from({ length: 256 }, () => 'a').join('/')],
    [`${'**/*a*a*/'.repeat(400)}b`, Array.from({ length: 256 }, () => 'a'.repeat(255)).join('/')],
    [`*${'a'.repeat(127)}b`, 'a'.repeat(255)],
    ['{'.repeat(4_000), 'x'],
  ])('made to keep a matcher busy ends at once: %.20s', (pattern, path) => {
    const [glob] = compileGlobs([pattern], { dot: true });
    const before = process.cpuUsage();
    expect(glob?.matches(path.split('/'))).toBe(false);
    const { user } = process.cpuUsage(before);
    // Milliseconds; the bound is that of something that is not exponential.
    expect(user).toBeLessThan(5_000_000);
  });

  it.each([
    ['a{b,c{d,e}}f', ['abf', 'acdf', 'acef'], ['af', 'acf']],
    ['{a,b/c}/*.x', ['a/1.x', 'b/c/2.x'], ['b/1.x']],
    ['{a}', ['{a}'], ['a']],
    ['a{b,c', ['a{b,c'], ['ab']],
    ['\\{a,b\\}\\*', ['{a,b}*'], ['a*', '{a,b}x']],
    ['(a|b)', ['(a|b)'], ['a']],
    ['+(a)', ['+(a)'], ['aa']],
    ['[]a]', [']', 'a'], ['b']],
    ['[^a-c]x', ['dx', '🙂x'], ['ax', 'x']],
    ['[a', ['[a'], ['a']],
    ['?', ['🙂', 'a'], ['ab']],
    ['./a//b/', ['a/b'], ['a']],
    ['a/**', ['a', 'a/b', 'a/b/c'], ['b', 'ab']],
    ['*/**', ['a/b'], ['a']],
    ['**/a', ['a', 'b/a', 'b/c/a'], ['b', 'a/b']],
  ])('%s', (pattern, meant, others) => {
    expect(meant.filter((path) => !matches(pattern, path))).toEqual([]);
    expect(others.filter((path) => matches(pattern, path))).toEqual([]);
  });

  it('is refused where its braces stand for too many, or an alternative leaves the workspace', () => {
    for (const pattern of ['{a,b}'.repeat(40), `{${'a,'.repeat(2_000)}}`, `{a,b}${'x'.repeat(4_000)}`.repeat(5)])
      expect(() => compileGlobs([pattern], { dot: true })).toThrow(
        expect.objectContaining({ code: 'RITMO_ARTIFACT_LIMIT' }),
      );
    expect(() => compileGlobs(['{a,b}'.repeat(9), '{a,b}'.repeat(9)], { dot: true })).toThrow(/too many/);
    for (const pattern of ['{a,/etc}', 'a/{b,..}/c'])
      expect(() => compileGlobs([pattern], { dot: true })).toThrow(
        expect.objectContaining({ code: 'RITMO_WORKSPACE_ESCAPE' }),
      );
  });
});

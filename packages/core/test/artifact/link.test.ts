import { describe, expect, it } from 'vitest';
import { linkStaysInside } from '../../src/artifact/link.js';

describe('a link', () => {
  it.each([
    ['a', 'b'],
    ['a/b', '../c'],
    ['a/b/c', '../../d/e'],
    ['a', './b//c'],
    ['a/b', '..'],
  ])('at %s to %s stays inside', (path, target) => {
    expect(linkStaysInside(path, target)).toBe(true);
  });

  it.each([
    ['a', '/etc/passwd'],
    ['a', '..'],
    ['a', '../b'],
    ['a/b', '../../c'],
    ['a/b', 'c/../../..'],
    ['a', ''],
    ['a', 'b\u0000'],
  ])('at %s to %j does not', (path, target) => {
    expect(linkStaysInside(path, target)).toBe(false);
  });

  it('does not when it climbs out of the middle, where another link may lie', () => {
    expect(linkStaysInside('p/q/t', 's/../etc')).toBe(false);
  });
});

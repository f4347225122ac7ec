import { describe, expect, it } from 'vitest';
import { askedFor, Globs, isMeant, partsOf, staysInside } from '../../src/index.js';

describe('names that a guest claims', () => {
  it('become parts, and what leaves the workspace becomes nothing', () => {
    expect(partsOf('./a//b/./c')).toEqual(['a', 'b', 'c']);
    for (const name of ['/etc/passwd', '../up', 'a/../../b', 'a/..', 'nul\0', Array(300).fill('d').join('/')]) {
      expect(partsOf(name)).toBeUndefined();
    }
  });

  it('are links inside only when no step of their target leaves, or may leave by another link', () => {
    expect(staysInside(['out', 'link'], 'file')).toBe(true);
    expect(staysInside(['out', 'link'], '../out/file')).toBe(true);
    expect(staysInside(['out', 'link'], '..')).toBe(true);
    for (const target of ['/etc/passwd', '../../up', '', 'folder/../../../up', 'inner/..']) {
      expect(staysInside(['out', 'link'], target)).toBe(false);
    }
  });

  it('are meant by the patterns folder by folder', () => {
    const globs = new Globs({ include: ['a/**'], exclude: ['a/b'], dotfiles: false });
    expect(isMeant(globs, ['a', 'c', 'file'])).toBe(true);
    expect(isMeant(globs, ['a', 'b', 'file'])).toBe(false);
    expect(isMeant(globs, ['c', 'a'])).toBe(false);
  });

  it('are asked for by the first folder where a pattern names one', () => {
    expect(askedFor(['out/**', './out/x', 'report.txt'])).toEqual(['./out', './report.txt']);
    expect(askedFor(['out', '*.log'])).toEqual(['.']);
    expect(askedFor(['../**'])).toEqual(['.']);
  });
});

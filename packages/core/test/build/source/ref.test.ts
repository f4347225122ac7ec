import { describe, expect, it } from 'vitest';
import { readingsOf } from '../../../src/build/source/ref.js';

describe('a ref', () => {
  it('is a branch before it is a tag, and a commit where it can be one', () => {
    expect(readingsOf('feature/x')).toEqual([
      { kind: 'ref', remote: 'refs/heads/feature/x', local: 'refs/remotes/origin/feature/x' },
      { kind: 'ref', remote: 'refs/tags/feature/x', local: 'refs/tags/feature/x' },
    ]);
    expect(readingsOf('ABCDEF12').at(-1)).toEqual({ kind: 'short', prefix: 'abcdef12' });
    expect(readingsOf('a'.repeat(40))).toEqual([{ kind: 'commit', hash: 'a'.repeat(40) }]);
    expect(readingsOf('refs/pull/1/head')).toEqual([{ kind: 'ref', remote: 'refs/pull/1/head', local: undefined }]);
  });

  it('that is absent is what the repository checks out by default', () => {
    expect(readingsOf(undefined)).toEqual([{ kind: 'ref', remote: 'HEAD', local: undefined }]);
  });

  it.each([
    '--upload-pack=id',
    '-b',
    'a:b',
    '+main',
    'a*',
    'a b',
    'a..b',
    'a@{1}',
    'a~1',
    'a^',
    'a\\b',
    'a\n',
    '.a',
    'a/.b',
    'a.lock',
    'a//b',
    'a/',
    'a.',
    '',
    'x'.repeat(256),
  ])('%j is none', (ref) => {
    expect(() => readingsOf(ref)).toThrow(expect.objectContaining({ code: 'RITMO_SOURCE_REF' }));
  });
});

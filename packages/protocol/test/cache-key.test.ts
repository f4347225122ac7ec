import { describe, expect, it } from 'vitest';
import { job, parseCacheKey } from '../src/index.js';

const withKey = (key: string) =>
  job.safeParse({ name: 'a', steps: [{ run: 'true' }], caches: [{ key, paths: ['deps'] }] });

describe('the key of a cache', () => {
  it('is text with hashes of files, and the system and processor of the worker', () => {
    expect(parseCacheKey("npm-{{ os }}-{{arch}}-{{ hash 'package-lock.json' 'apps/*/lock' }}-v2")).toEqual([
      { kind: 'text', text: 'npm-' },
      { kind: 'os' },
      { kind: 'text', text: '-' },
      { kind: 'arch' },
      { kind: 'text', text: '-' },
      { kind: 'hash', patterns: ['package-lock.json', 'apps/*/lock'] },
      { kind: 'text', text: '-v2' },
    ]);
    expect(parseCacheKey('plain')).toEqual([{ kind: 'text', text: 'plain' }]);
  });

  it.each([
    ['npm-{{ hash lock }}', "may hold {{ hash 'FILE' }}"],
    ['npm-{{ env.HOME }}', "may hold {{ hash 'FILE' }}"],
    ['npm-{{ hash }}', "may hold {{ hash 'FILE' }}"],
    ["npm-{{ hash 'a'", 'has a `{{` without its `}}`'],
    ["npm-{{ hash '/etc/passwd' }}", 'may hash files of the workspace only'],
    ["npm-{{ hash '../other' }}", 'may hash files of the workspace only'],
  ])('%s is refused with the job', (key, words) => {
    const found = withKey(key);
    expect(found.error?.issues).toMatchObject([
      { path: ['caches', 0, 'key'], message: expect.stringContaining(words) },
    ]);
  });
});

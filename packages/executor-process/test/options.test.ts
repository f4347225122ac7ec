import { expect, it } from 'vitest';
import { optionsSchema } from '../src/options.js';

it.each([
  ['/proc', 'must not be one of'],
  ['/proc/sys', 'must not lie in /proc/'],
  ['/run/ritmo/private', 'must not lie in /proc/ or /run/ritmo/'],
])('a bind to %s is refused', (target, words) => {
  const result = optionsSchema.safeParse({ binds: [{ source: '/srv/tools', target }] });
  expect(result.error?.issues.map(({ message }) => message).join()).toContain(words);
});

it.each(['/workspace/deps', '/dev/fuse', '/proceedings', '/opt/tools'])('a bind to %s is taken', (target) => {
  expect(optionsSchema.safeParse({ binds: [{ source: '/srv/tools', target }] }).success).toBe(true);
});

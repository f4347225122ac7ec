import { describe, expect, test } from 'vitest';
import { assertAllowed } from '../../src/image/policy.js';
import { parseReference } from '../../src/image/reference.js';

const digest = `sha256:${'a'.repeat(64)}`;

describe('an image reference', () => {
  test.each([
    ['node', 'docker.io/library/node:latest'],
    ['node:22', 'docker.io/library/node:22'],
    ['acme/tool', 'docker.io/acme/tool:latest'],
    ['index.docker.io/acme/tool:1', 'docker.io/acme/tool:1'],
    ['ghcr.io/acme/tool:1.2', 'ghcr.io/acme/tool:1.2'],
    ['localhost:5000/tool', 'localhost:5000/tool:latest'],
    ['localhost/tool:x', 'localhost/tool:x'],
    [`node@${digest}`, `docker.io/library/node@${digest}`],
    [`r.example.com:443/a/b:t@${digest}`, `r.example.com:443/a/b:t@${digest}`],
  ])('%s means %s', (text, full) => {
    expect(parseReference(text).full).toBe(full);
  });

  test.each(['', 'UPPER', 'a b', 'a/../b', 'a:', 'a@sha256:1', '-x', 'a//b', 'http://a/b', 'a'.repeat(600)])(
    '%j is none',
    (text) => {
      expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'RITMO_IMAGE_INVALID' }));
    },
  );

  test('is allowed by its full name, with or without its tag, and by nothing shorter', () => {
    const image = parseReference('node:22');
    for (const glob of ['**', 'docker.io/library/*', 'docker.io/library/node', 'docker.io/library/node:22'])
      expect(() => assertAllowed(image, [glob])).not.toThrow();
    for (const glob of ['node', 'node:22', '*', 'docker.io/*', 'docker.io/library/node:2', '!docker.io/evil/**'])
      expect(() => assertAllowed(image, [glob]), glob).toThrow(
        expect.objectContaining({ code: 'RITMO_POLICY_REFUSED' }),
      );
  });
});

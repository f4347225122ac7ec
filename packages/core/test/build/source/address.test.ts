import { describe, expect, it } from 'vitest';
import { parseSourceAddress } from '../../../src/build/source/address.js';

describe('the address of a source', () => {
  it.each([
    ['https://example.org/a/b.git', { kind: 'https', url: 'https://example.org/a/b.git', host: 'example.org' }],
    ['HTTPS://Example.ORG:443/a', { kind: 'https', url: 'https://example.org/a', host: 'example.org' }],
    ['https://example.org:8443/a', { kind: 'https', url: 'https://example.org:8443/a', host: 'example.org:8443' }],
    ['ssh://git@example.org:22/a.git', { kind: 'ssh', url: 'ssh://git@example.org:22/a.git', host: 'example.org:22' }],
    ['git@example.org:a/b.git', { kind: 'ssh', url: 'git@example.org:a/b.git', host: 'example.org' }],
  ])('%s is taken', (text, address) => {
    expect(parseSourceAddress(text, false)).toEqual(address);
  });

  it('means the host that git will ask, whatever slashes pretend', () => {
    expect(parseSourceAddress('https://good.test\\@evil.test/x', false)).toMatchObject({
      host: 'good.test',
      url: 'https://good.test/@evil.test/x',
    });
  });

  it.each([
    'http://example.org/a',
    'git://example.org/a',
    'ftp://example.org/a',
    'ext::sh -c id',
    'ext::sh',
    'fd::17',
    'file:///srv/a',
    '/srv/a',
    './a',
    'a/b:c',
  ])('%s is refused by policy', (text) => {
    expect(() => parseSourceAddress(text, false)).toThrow(expect.objectContaining({ code: 'RITMO_POLICY_REFUSED' }));
  });

  it.each([
    ['/srv/a', '/srv/a'],
    ['file:///srv/a%20b', '/srv/a b'],
    ['./a', './a'],
  ])('%s is a path where the policy allows it', (text, path) => {
    expect(parseSourceAddress(text, true)).toEqual({ kind: 'local', path });
  });

  it.each(['https://u:pw@example.org/', 'https://token@example.org/', 'ssh://u:pw@example.org/a'])(
    '%s must hold no credentials, and shows none',
    (text) => {
      const act = () => parseSourceAddress(text, true);
      expect(act).toThrow(expect.objectContaining({ code: 'RITMO_JOB_INVALID' }));
      expect(act).not.toThrow(/pw|token/);
    },
  );

  it.each([
    'ssh://-oProxyCommand=id/x',
    'ssh://example.org',
    '-oProxyCommand=id:x',
    'git@-host:x',
    'a b@host:x',
    'host:-x',
    'host:a\nb',
    'file://other.host/x',
    'https://',
    'https://exa mple.org/',
  ])('%j is no address', (text) => {
    expect(() => parseSourceAddress(text, true)).toThrow(expect.objectContaining({ code: 'RITMO_JOB_INVALID' }));
  });
});

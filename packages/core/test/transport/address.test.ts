import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/transport/index.js';

describe('the address of the API server', () => {
  it.each([
    ['localhost:8080', 'http://localhost:8080', true],
    ['127.0.0.1:8080', 'http://127.0.0.1:8080', true],
    ['127.9.9.9', 'http://127.9.9.9', true],
    ['[::1]:8080', 'http://[::1]:8080', true],
    ['ci.example.org', 'https://ci.example.org', false],
    ['ci.example.org:8443', 'https://ci.example.org:8443', false],
    ['CI.example.org/ritmo/', 'https://ci.example.org/ritmo', false],
    ['http://localhost:8080/', 'http://localhost:8080', true],
    ['https://127.0.0.1:1', 'https://127.0.0.1:1', true],
  ])('reads %s as %s', (text, base, loopback) => {
    expect(parseAddress(text)).toEqual({ base, loopback });
  });

  it.each([
    'http://ci.example.org',
    'http://127.0.0.1.example.org',
    'http://localhost.example.org:80',
    'http://10.0.0.1',
  ])('refuses plain http in %s unless told otherwise', (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'RITMO_INSECURE_URL' }));
    expect(parseAddress(text, true).base).toBe(new URL(text).origin);
  });

  it.each([
    '',
    'a b',
    'ftp://host',
    'https://',
    'https://user:pw@host',
    'user@host:80',
    'https://host/?a=b',
    'host#x',
    'host\\x',
    'host:99999',
  ])('refuses %j as no address, without showing a password', (text) => {
    const act = () => parseAddress(text);
    expect(act).toThrow(expect.objectContaining({ code: 'RITMO_USAGE' }));
    expect(act).not.toThrow(/pw/);
  });
});

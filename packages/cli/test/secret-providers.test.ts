import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { secretSource } from '../src/secret-providers.js';

test('providers are asked in the order in which they were named', () => {
  const { providers, allow } = secretSource({
    secretProvider: ['environment', `folder:${tmpdir()}`, `command:${process.execPath}`],
    allowSecret: ['NPM_*'],
  });
  expect(providers.map(({ name }) => name)).toEqual([
    'environment',
    `folder ${tmpdir()}`,
    `command ${process.execPath}`,
  ]);
  expect(allow).toEqual(['NPM_*']);
});

test('a worker has none where nothing is said', () => {
  expect(secretSource({ secretProvider: [], allowSecret: [] })).toEqual({ providers: [], allow: [] });
});

test.each([
  ['vault', '"vault" is no provider'],
  ['folder:', '"folder:" is no provider'],
  ['environment:X', '"environment:X" is no provider'],
  ['command:vault-get', 'must be an absolute path'],
  ['command:/no/such/vault-get', 'there is no such program'],
  [`command:${tmpdir()}`, 'there is no such program'],
  ['folder:/no/such/folder', 'there is no such folder'],
  [`folder:${process.execPath}`, 'there is no such folder'],
])('%s is refused', (text, message) => {
  expect(() => secretSource({ secretProvider: [text], allowSecret: ['X'] })).toThrow(message);
});

test('a provider without names, and names without a provider, are refused', () => {
  expect(() => secretSource({ secretProvider: ['environment'], allowSecret: [] })).toThrow('--allow-secret');
  expect(() => secretSource({ secretProvider: [], allowSecret: ['X'] })).toThrow('--secret-provider');
});

import { expect, test } from 'vitest';
import { addressIn, freeSubnets } from '../../src/network/subnets.js';

test('gives subnets of the range that nobody uses', () => {
  const used = ['10.231.0.0/20', '10.231.16.32/27', 'fe80::/64'];
  const found = [...freeSubnets('10.231.0.0/19', 27, used)];
  expect(found.slice(0, 2)).toEqual(['10.231.16.0/27', '10.231.16.64/27']);
  expect(found).toHaveLength(127);
  expect(found.at(-1)).toBe('10.231.31.224/27');
});

test('begins at either end, so that two engines of one host do not want the same', () => {
  const used = ['10.231.31.224/27'];
  const found = [...freeSubnets('10.231.0.0/19', 27, used, 'last')];
  expect(found.slice(0, 2)).toEqual(['10.231.31.192/27', '10.231.31.160/27']);
  expect(found.toReversed()).toEqual([...freeSubnets('10.231.0.0/19', 27, used)]);
});

test('gives none where all are taken', () => {
  expect([...freeSubnets('10.231.0.0/22', 27, ['10.0.0.0/8'])]).toEqual([]);
});

test('has room for more than 60 jobs at once', () => {
  expect([...freeSubnets('10.231.0.0/16', 27, ['10.231.0.0/20'])].length).toBeGreaterThan(1_000);
});

test('counts addresses from the one after the gateway', () => {
  expect(addressIn('10.231.16.64/27', 1)).toBe('10.231.16.66');
  expect(addressIn('10.231.255.224/27', 29)).toBe('10.231.255.254');
});

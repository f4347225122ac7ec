import { expect, test } from 'vitest';
import { checkExecutors } from '../../src/doctor/executors.js';

test('options that are wrong are named, with where they are given', async () => {
  const checks = await checkExecutors([], (name) => (name === 'process' ? { levle: 'bare' } : {}));
  expect(checks.find(({ name }) => name === 'isolation process')).toEqual({
    name: 'isolation process',
    state: 'missing',
    detail: 'The options of the process executor are wrong: Unrecognized key: "levle".',
    remedy: "Its options are given as --executor-options 'process={…}', or below executorOptions: process.",
  });
});

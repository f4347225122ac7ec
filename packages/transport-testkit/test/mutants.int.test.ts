import { expect, test } from 'vitest';
import { checkTransport, groups, transportCases } from '../src/index.js';
import { leaseMutants } from './mutants/lease.js';
import { watchMutants } from './mutants/watch.js';
import { writeMutants } from './mutants/write.js';
import { memorySubject } from './reference/place.js';

const mutants = [...leaseMutants, ...watchMutants, ...writeMutants];
const groupOf = (id: string) => id.split('.')[0];

// Side by side, since most of them wait for a bound to run out; with whole bounds, which a busy machine keeps.
test.concurrent.for(mutants)('catches a transport that $wrong', async ({ Transport, caughtBy }) => {
  // The groups in which a mutant does harm, whole: its own cases must fail there, and no other.
  const harmed = caughtBy.map(groupOf);
  const cases = transportCases.filter(({ group }) => harmed.includes(group));
  const report = await checkTransport(memorySubject(Transport), { cases });
  const failed = report.results.filter(({ status }) => status === 'failed').map(({ id }) => id);
  expect(failed.toSorted()).toEqual(caughtBy.toSorted());
  expect(report.conforms).toBe(false);
});

test('each group has a mutant that is meant for it', () => {
  const meant = new Set(mutants.map(({ caughtBy }) => groupOf(caughtBy[0])));
  expect(groups.filter((group) => !meant.has(group))).toEqual([]);
});

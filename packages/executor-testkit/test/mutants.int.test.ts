import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { conformanceCases, runConformance } from '../src/index.js';
import type { Mutant } from './mutants/mutant.js';
import { limitMutants } from './mutants/limits.js';
import { resourceMutants } from './mutants/resources.js';
import { stepMutants } from './mutants/steps.js';
import { killMarked } from './reference/processes.js';
import { referenceSubject } from './reference/subject.js';

const mutants = [...stepMutants, ...resourceMutants, ...limitMutants];
/** They take seconds, and are left out where a mutant is not meant for them. */
const slow = ['collect.many', 'dispose.while-collecting', 'output.backpressure', 'cancel.grace'];
/** The groups in which a mutant does harm, whole: its own cases must fail there, and no other. */
function casesFor({ caughtBy }: Mutant) {
  const groups = caughtBy.map((id) => id.split('.')[0]);
  return conformanceCases.filter(
    ({ id, group }) => caughtBy.includes(id) || (groups.includes(group) && !slow.includes(id)),
  );
}

test.for(mutants)('catches an executor that $wrong', { timeout: 300_000 }, async (mutant) => {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-mutant-'));
  const owners: string[] = [];
  try {
    const subject = referenceSubject(root, mutant.Executor);
    const noted = {
      ...subject,
      open: (host: Parameters<typeof subject.open>[0]) => {
        owners.push(host.ownerId);
        return subject.open(host);
      },
    };
    const report = await runConformance(noted, { cases: casesFor(mutant) });
    const failed = report.results.filter((result) => result.status === 'failed').map((result) => result.id);
    expect(failed.toSorted()).toEqual(mutant.caughtBy.toSorted());
    expect(report.conforms).toBe(false);
  } finally {
    for (const owner of owners) await killMarked(`${owner}/`);
    await rm(root, { recursive: true });
  }
});

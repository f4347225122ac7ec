import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Run for minutes, the longest first. Vitest orders a fresh clone by the size of files, and these are short: a kit or
 * other tests are called in them. They would run last, one alone while the other workers have nothing left to do.
 */
export const minutesLong = [
  'packages/executor-vm/test/conformance.int.test.ts',
  'packages/executor-process/test/conformance.int.test.ts',
  'packages/executor-docker/test/conformance.int.test.ts',
  'packages/executor-docker/test/podman.int.test.ts',
  'packages/executor-process/test/unprivileged.int.test.ts',
  'packages/executor-docker/test/remote-conformance.int.test.ts',
  'packages/executor-testkit/test/mutants.int.test.ts',
  'tests/install/packages.test.ts',
  'tests/faults/lost-answers.test.ts',
  'tests/faults/leases.test.ts',
];

/** Files that run for minutes before the others of their project. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- not that of an array
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => groupOf(one) - groupOf(other) || this.#rank(one) - this.#rank(other));
  }

  #rank(file: TestSpecification): number {
    const index = minutesLong.indexOf(relative(this.ctx.config.root, file.moduleId));
    return index === -1 ? minutesLong.length : index;
  }
}

function groupOf(file: TestSpecification): number {
  return file.project.config.sequence.groupOrder;
}

import { limitOf } from '@ritmo/conformance';
import { describe, expect, test } from 'vitest';
import type { ConformanceCase } from './case.js';
import { conformanceCases } from './cases/index.js';
import { CaseContext } from './context.js';
import { runCase } from './run-case.js';
import type { ConformanceSubject } from './subject.js';

/**
 * Registers one vitest test for each case that applies to the executor, and one that names those that do not.
 * `cases` are all by default.
 */
export function describeExecutor(
  subject: ConformanceSubject,
  cases: readonly ConformanceCase[] = conformanceCases,
): void {
  describe(`${subject.name} conforms to executor contract 1`, async () => {
    const context = await CaseContext.open(subject);
    const { capabilities } = context.executor;
    await context[Symbol.asyncDispose]();

    const others: string[] = [];
    for (const conformance of cases) {
      const applies = conformance.needs?.(capabilities) ?? true;
      if (applies === true) register(subject, conformance);
      else others.push(`${conformance.id}: ${applies}`);
    }
    test('says why each case that does not apply to it does not', async ({ annotate }) => {
      for (const other of others) await annotate(other);
      expect(others.filter((other) => other.endsWith(': '))).toEqual([]);
    });
  });
}

function register(subject: ConformanceSubject, conformance: ConformanceCase): void {
  // Opening, cleaning up and the witness have bounds of their own, beyond that of the case.
  const limitMs = limitOf(conformance, subject.timeScale) + 120_000 * (subject.timeScale ?? 1);
  test(`${conformance.id}: ${conformance.title}`, { timeout: limitMs }, async () => {
    const result = await runCase(subject, conformance);
    if (result.error !== undefined) throw result.error;
    expect(['passed', 'refused'], result.reason).toContain(result.status);
  });
}

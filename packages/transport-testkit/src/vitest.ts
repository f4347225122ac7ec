import { limitOf, runOne } from '@ritmo/conformance';
import { describe, expect, test } from 'vitest';
import type { TransportCase } from './case.js';
import { transportCases } from './cases/index.js';
import { CaseContext } from './context.js';
import { runnerOf } from './run.js';
import type { TransportSubject } from './subject.js';

/**
 * Registers one vitest test for each case that applies to the transport, and one that names those that do not.
 * `cases` are all by default.
 */
export function describeTransport(subject: TransportSubject, cases: readonly TransportCase[] = transportCases): void {
  describe(`${subject.name} conforms to transport contract 1`, async () => {
    const context = await CaseContext.open(subject);
    const { facts } = context;
    await context[Symbol.asyncDispose]();

    const others: string[] = [];
    for (const conformance of cases) {
      const applies = conformance.needs?.(facts) ?? true;
      if (applies === true) register(subject, conformance);
      else others.push(`${conformance.id}: ${applies}`);
    }
    test('says why each case that does not apply to it does not', async ({ annotate }) => {
      for (const other of others) await annotate(other);
      expect(others.filter((other) => other.endsWith(': '))).toEqual([]);
    });
  });
}

function register(subject: TransportSubject, conformance: TransportCase): void {
  // Opening and cleaning up have bounds of their own, beyond that of the case.
  const limitMs = limitOf(conformance, subject.timeScale) + 120_000 * (subject.timeScale ?? 1);
  test(`${conformance.id}: ${conformance.title}`, { timeout: limitMs }, async () => {
    const result = await runOne(runnerOf(subject), conformance);
    if (result.error !== undefined) throw result.error;
    expect(result.status, result.reason).toBe('passed');
  });
}

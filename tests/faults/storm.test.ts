import { describe, expect, it } from 'vitest';
import { faultsOf } from './storm/faults.js';
import { storm } from './storm/storm.js';

describe('faults at random moments', () => {
  it('break no promise and leave nothing, each of them once', { timeout: 20 * 60_000 }, async () => {
    for await (const { plan, broken, left } of storm({
      isolation: 'process',
      rounds: faultsOf.process.length,
      seed: 8,
    })) {
      expect({ ...plan, broken, left }).toEqual({ ...plan, broken: [], left: [] });
    }
  });
});

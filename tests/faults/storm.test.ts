import { describe, expect, it } from 'vitest';
import { storm } from './storm/storm.js';

describe('kills at random moments', () => {
  it('break no promise and leave nothing, round after round', async () => {
    for await (const { round, victim, broken, left } of storm(4, 8)) {
      expect({ round, victim, broken, left }).toEqual({ round, victim, broken: [], left: [] });
    }
  });
});

import { expect, it } from 'vitest';
import { storm } from './storm/storm.js';

it('kills of a build in a container, of its agent and an upgrade break no promise and leave nothing', async () => {
  const faults = ['build', 'agent', 'upgrade'] as const;
  for await (const { plan, broken, left } of storm({ isolation: 'docker', rounds: faults.length, seed: 3, faults })) {
    expect({ ...plan, broken, left }).toEqual({ ...plan, broken: [], left: [] });
  }
});

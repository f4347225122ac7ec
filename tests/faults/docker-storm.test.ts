import { expect, it } from 'vitest';
import { storm } from './storm/storm.js';

it('a kill of a process of a build in a container breaks no promise and leave nothing', async () => {
  const faults = ['build'] as const;
  for await (const { plan, broken, left } of storm({ isolation: 'docker', rounds: faults.length, seed: 3, faults })) {
    expect({ ...plan, broken, left }).toEqual({ ...plan, broken: [], left: [] });
  }
});

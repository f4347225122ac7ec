import { expect, it } from 'vitest';
import { storm } from './storm/storm.js';

it('kills and upgrades of the agent, kills of the Docker daemon and of a build in a container break no promise and leave nothing', async () => {
  const faults = ['agent', 'upgrade', 'daemon', 'build'] as const;
  for await (const { plan, broken, left } of storm({ isolation: 'docker', rounds: faults.length, seed: 3, faults })) {
    expect({ ...plan, broken, left }).toEqual({ ...plan, broken: [], left: [] });
  }
});

import { beforeAll, expect, it } from 'vitest';
import { findDaemon } from '../src/docker/address.js';
import { Networks } from '../src/network/networks.js';
import { randomUUID } from 'node:crypto';
import { makeBusyboxImage } from './support/images.js';

beforeAll(() => makeBusyboxImage());

/** More than the address pools of the daemon itself have, which end at about 31. */
const count = 60;

it(`has networks for ${count} jobs at once, each with addresses of its own, and leaves none of them`, async () => {
  const { client } = await findDaemon(undefined);
  const owner = `test-${randomUUID()}`;
  const settings = { docker: client, engine: 'Docker', owner, addressRange: '10.231.0.0/16' } as const;
  const networks = await Networks.open(settings, true);
  if (typeof networks === 'string') throw new Error(networks);
  const label = `dev.ritmo.owner=${owner}`;
  try {
    const ids = Array.from({ length: count }, (_, index) => `job-${index}-${randomUUID().slice(0, 8)}`);
    const jobs = await Promise.all(ids.map((id) => networks.ofJob(id, id, false)));
    expect(new Set(jobs.map(({ name }) => name)).size).toBe(count);
    const made = await client.listNetworks(label);
    expect(new Set(made.flatMap(({ subnets }) => subnets)).size).toBe(count);
  } finally {
    for (const { id } of await client.listNetworks(label)) await client.removeNetwork(id);
    await networks.close();
  }
  expect(await client.listNetworks(label)).toEqual([]);
});

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Daemon, findDaemon } from '../src/docker/address.js';
import { DockerError } from '../src/docker/error.js';
import { Networks } from '../src/network/networks.js';
import { findDockerd, startDaemon, type TestDaemon } from './support/daemon.js';

let daemon: TestDaemon;
let found: Daemon;
beforeAll(async () => {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  daemon = await startDaemon(dockerd);
  found = await findDaemon(`unix://${daemon.socket}`);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const inNetwork = (program: string, args: readonly string[], input = '') =>
  execFileSync('nsenter', [`--net=${daemon.namespace}`, program, ...args], { input, encoding: 'utf8' });

/** What a firewall does that is loaded anew: all rules go, those of the daemon too. Answers what brings them back. */
function takeChainsAway(): () => void {
  const saved = inNetwork('iptables-save', []);
  inNetwork(
    'iptables-restore',
    [],
    '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n',
  );
  return () => void inNetwork('iptables-restore', [], saved);
}

/** Networks whose maker counts the refusals of the daemon; `refused` is called at each. */
async function counting(refused: (times: number) => void) {
  const { client } = found;
  const owner = `test-${randomUUID()}`;
  const create = client.createNetwork.bind(client);
  let times = 0;
  client.createNetwork = async (options) => {
    try {
      return await create(options);
    } catch (error) {
      refused(++times);
      throw error;
    }
  };
  const settings = { docker: client, engine: 'Docker', owner, addressRange: '10.231.0.0/16' } as const;
  const networks = await Networks.open(settings, true);
  if (typeof networks === 'string') throw new Error(networks);
  const names = async () => (await client.listNetworks(`dev.ritmo.owner=${owner}`)).map(({ name }) => name);
  return {
    names,
    make: () => networks.ofJob('job-1', 'job-1', false),
    times: () => times,
    [Symbol.asyncDispose]: async () => {
      client.createNetwork = create;
      for (const name of await names()) await client.removeNetwork(name);
      await networks.close();
    },
  };
}

it('makes a network once the chains of the daemon are back, after a firewall was loaded anew', async () => {
  const bringBack = takeChainsAway();
  await using networks = await counting((times) => {
    if (times === 2) bringBack();
  });
  const { name } = await networks.make();
  expect(networks.times()).toBe(2);
  expect(await networks.names()).toEqual([name]);
});

it('gives up in the words of the daemon where they stay away, and leaves no network', async () => {
  const bringBack = takeChainsAway();
  try {
    await using networks = await counting(() => undefined);
    const error: unknown = await networks.make().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DockerError);
    expect(String(error)).toMatch(/iptables failed/i);
    expect(networks.times()).toBe(11);
    expect(await networks.names()).toEqual([]);
  } finally {
    bringBack();
  }
});

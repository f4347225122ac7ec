import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { ImageRequest, ServiceRequest } from '@ritmo/agent-core/executor';
import { conformanceCases, type Group } from '@ritmo/executor-testkit';
import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, expect, it } from 'vitest';
import { findDaemon } from '../src/docker/address.js';
import { Networks } from '../src/network/networks.js';
import { expectClosedToOthers } from './support/closed-to-others.js';
import { Worker } from './support/host.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Podman } from './support/podman.js';
import { Registry, user } from './support/registry.js';
import { Witness } from './support/witness.js';

const run = promisify(execFile);
/** The newest first. */
const started: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(thing: T): T => {
  started.unshift(thing);
  return thing;
};
async function stop(): Promise<void> {
  for (const thing of started) await thing[Symbol.asyncDispose]();
}

async function start() {
  const open = keep(await Registry.start(false));
  const closed = keep(await Registry.start(true));
  const { address } = keep(await Podman.start([open.address, closed.address]));
  await makeBusyboxImage();
  await open.push(busyboxImage, 'tools/busybox:1');
  await closed.push(busyboxImage, 'private/busybox:1');
  await makeBusyboxImage(address);
  return { open, closed, address, worker: keep(await Worker.open({ address })), witness: new Witness(address) };
}

// While tests are collected: the kit asks the executor what it can do.
const { open, closed, address, worker, witness } = await start().catch(async (error: unknown) => {
  await stop();
  throw error;
});
afterAll(stop);

it('is known as Podman, runs jobs the quick way, and takes them up again', async () => {
  const { health, detail, facts } = await worker.executor.probe(AbortSignal.timeout(10_000));
  expect(health).toBe('healthy');
  expect(detail).toMatch(/^Podman \d+\.\d+\.\d+ at unix:/);
  expect(facts).toMatchObject({ engine: 'Podman', way: 'fifo', fifoWay: true, rootless: false, diskLimit: 'volume' });
  expect(worker.executor.capabilities).toMatchObject({ network: ['isolated', 'none'], services: true, recover: true });
});

const image = (reference: string, over: Partial<ImageRequest> = {}) => ({
  image: { reference, pull: ['always' as const], ...over },
});

it('pulls from a registry, with credentials where it wants them', async () => {
  await using plain = await worker.box(image(`${open.address}/tools/busybox:1`));
  expect((await plain.sh('echo fine')).text).toBe('fine\n');
  expect(worker.notes).toContain(`Pulling ${open.address}/tools/busybox:1.`);
  await using secret = await worker.box(image(`${closed.address}/private/busybox:1`, { auth: user }));
  expect((await secret.sh('echo fine')).text).toBe('fine\n');
});

it('tells why an image was not pulled', async () => {
  for (const [over, code] of [
    [image(`${open.address}/tools/none:1`), 'RITMO_IMAGE_MISSING'],
    [image('127.0.0.1:1/tools/none:1'), 'RITMO_REGISTRY_UNREACHABLE'],
    [image(`${closed.address}/private/busybox:1`), 'RITMO_IMAGE_AUTH'],
    [image(`${closed.address}/private/busybox:1`, { auth: { ...user, password: 'no' } }), 'RITMO_IMAGE_AUTH'],
  ] as const) {
    await expect(worker.box(over), JSON.stringify(over)).rejects.toMatchObject({ code });
  }
  expect(worker.leftOfJobs()).toEqual([]);
});

it('keeps names of images that are made here, so that they are made once', async () => {
  const { client } = await findDaemon(address);
  const tools = async () =>
    (await run('/usr/bin/docker', ['--host', address, 'images', '--quiet', '--no-trunc', '--all'])).stdout;
  const before = await tools();
  await using _ = await Worker.open({ address });
  expect(await tools()).toBe(before);
  expect(await client.inspectImage(busyboxImage)).toBeDefined();
});

it('makes services known to the job and to each other by their names, and closes the host', async () => {
  const greeter = 'while :; do nc -l -p 7000 -e echo "hello of $WHO"; done';
  const service = (name: string, script: string, ready: ServiceRequest['ready']): ServiceRequest => ({
    ...{ name, env: { WHO: name }, limits: {}, workspace: false, command: ['/bin/sh', '-c', script] },
    image: { reference: busyboxImage, pull: ['never'] },
    ...(ready !== undefined && { ready }),
  });
  const asks = `until nc one 7000 </dev/null > /heard && [ -s /heard ]; do sleep 0.2; done; ${greeter}`;
  const host = createServer((socket) => socket.end('host\n'));
  host.listen(0, '0.0.0.0');
  await once(host, 'listening');
  const { port } = host.address() as AddressInfo;
  try {
    await using box = await worker.box({
      network: 'isolated',
      services: [
        service('one', greeter, { tcpPort: 7000, timeoutMs: 20_000 }),
        service('two', asks, { command: ['/bin/sh', '-c', '[ -s /heard ]'], timeoutMs: 20_000 }),
      ],
    });
    const { text } = await box.sh('nc -w 5 one 7000 </dev/null; nc -w 5 two 7000 </dev/null');
    expect(text).toBe('hello of one\nhello of two\n');
    const gateway = (await box.sh("ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'")).text.trim();
    expect(gateway).toMatch(/^10\.231\./);
    expect((await box.sh(`nc -w 2 ${gateway} ${port} </dev/null; echo end`)).text).not.toMatch(/^host$/m);
  } finally {
    host.close();
  }
});

it('gives a job other addresses where somebody was faster', async () => {
  const { client } = await findDaemon(address);
  const list = client.listNetworks.bind(client);
  const seenBefore = await list();
  const settings = { docker: client, engine: 'Podman', addressRange: '10.231.0.0/16' } as const;
  const opened: Networks[] = [];
  const made: string[] = [];
  try {
    for (const name of ['faster', 'slower']) {
      const networks = await Networks.open({ ...settings, owner: `test-${name}-${randomUUID()}` }, true);
      if (typeof networks === 'string') throw new Error(networks);
      opened.push(networks);
      client.listNetworks = () => Promise.resolve(seenBefore);
      made.push((await networks.ofJob(`${name}-${randomUUID().slice(0, 8)}`, 'job-1', false)).subnet);
    }
  } finally {
    client.listNetworks = list;
    for (const { id, subnets } of await list()) {
      if (subnets.some((subnet) => made.includes(subnet))) await client.removeNetwork(id);
    }
    for (const networks of opened) await networks.close();
  }
  expect(new Set(made).size).toBe(2);
});

it('lets no build reach one that has services, and so a network of its own', () => expectClosedToOthers(worker));

/** What an engine decides; the other groups are about our own files and words. */
const groups: readonly Group[] = ['prepare', 'exit', 'cancel', 'recovery', 'limits'];

describeExecutor(
  {
    name: 'the docker executor over Podman',
    open: (host) => witness.open(host, { address }),
    residue: (ownerId, stateDir) => Promise.resolve(witness.residue(ownerId, stateDir)),
    image: busyboxImage,
    timeScale: 3,
  },
  conformanceCases.filter(({ group }) => groups.includes(group)),
);

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBusyboxImage } from './support/images.js';
import { expectClosedToOthers } from './support/closed-to-others.js';
import { Worker } from './support/host.js';

let worker: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  worker = await Worker.open({ allowHostNetwork: true });
});
afterAll(() => worker[Symbol.asyncDispose]());

/** A server on all addresses of the host, and those addresses. */
async function hostServer() {
  const server = createServer((socket) => socket.end('host\n'));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function hostAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .flatMap(({ family, address }) => (family === 'IPv4' ? [address] : []));
}

const reach = (address: string, port: number) => `nc -w 2 ${address} ${port} </dev/null`;

it('offers isolated, and closes every address of the host to builds', async () => {
  expect(worker.executor.capabilities.defaultNetwork).toBe('isolated');
  const { server, port } = await hostServer();
  try {
    await using box = await worker.box();
    const { text: route } = await box.sh("ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'");
    const gateway = route.trim();
    expect(gateway).toMatch(/^10\.231\./);
    for (const address of [gateway, ...hostAddresses()]) {
      const { text } = await box.sh(reach(address, port));
      expect(text, `through ${address}`).not.toMatch(/^host$/m);
    }
  } finally {
    server.close();
  }
});

it('lets a job with network host reach the host, so the other tests mean something', async () => {
  const { server, port } = await hostServer();
  try {
    await using box = await worker.box({ network: 'host' });
    expect((await box.sh(reach('127.0.0.1', port))).text).toBe('host\n');
  } finally {
    server.close();
  }
});

it('lets no build reach another', async () => {
  await using one = await worker.box();
  await using other = await worker.box();
  const listening = one.start('hostname -i; echo ready; nc -l -p 7000 -e echo other', {}, 0);
  await listening.printed('ready');
  const address = listening.seen.stdout.split('\n')[0]?.trim() ?? '';
  expect(address).toMatch(/^10\.231\./);
  expect((await one.sandbox.usage(new AbortController().signal)).cpuMs).toBeGreaterThan(0);
  expect((await other.sh(reach(address, 7000))).text).not.toContain('other');
  listening.abort({ reason: 'user', graceMs: 0 });
  await listening.exit;
});

it('lets no build reach one that has services, and so a network of its own', () => expectClosedToOthers(worker));

it('refuses packets to link-local addresses instead of sending them out', async () => {
  await using box = await worker.box();
  const { text } = await box.sh('nc -w 2 169.254.169.254 80 </dev/null 2>&1; :');
  expect(text).toMatch(/refused|unreachable|prohibited/i);
});

it('gives a job without network nothing but loopback', async () => {
  await using box = await worker.box({ network: 'none' });
  expect((await box.sh("ip -o link | cut -d: -f2 | tr -d ' '")).text).toBe('lo\n');
});

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ip } from '../../../../tests/support/host-network.js';
import { BridgeRules } from '../../src/network/rules.js';

/** Three namespaces: a build on a bridge of a host, and a world behind that host. */
const [build, host, world] = ['b', 'h', 'w'].map((letter) => `rtm${letter}${process.pid}`) as [string, string, string];
const mark = 'test';
const bridge = new BridgeRules(mark).sharedBridge;
const nameServer = '169.254.169.254';
const metadata = [nameServer, '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'];
const outside = ['198.51.100.2', '2001:db8:77::2'];
let server: ChildProcess;

beforeAll(async () => {
  for (const name of [build, host, world]) ip(`netns add ${name}`);
  ip(`-n ${host} link add ${bridge} type bridge`);
  ip(`-n ${host} link set ${bridge} up`);
  ip(`-n ${host} link add tobuild type veth peer name eth0 netns ${build}`);
  ip(`-n ${host} link set tobuild master ${bridge} up`);
  ip(`-n ${host} link add toworld type veth peer name eth0 netns ${world}`);
  give(host, bridge, ['10.231.0.1/20', 'fd99::1/64']);
  give(host, 'toworld', ['198.51.100.1/24', '2001:db8:77::1/64']);
  give(build, 'eth0', ['10.231.0.2/20', 'fd99::2/64']);
  give(world, 'eth0', ['198.51.100.2/24', '2001:db8:77::2/64', ...metadata]);
  ip(`-n ${build} route add default via 10.231.0.1`);
  ip(`-n ${build} -6 route add default via fd99::1`);
  ip(`-n ${world} route add default via 198.51.100.1`);
  ip(`-n ${world} -6 route add default via 2001:db8:77::1`);
  for (const address of metadata) {
    ip(`-n ${host} ${address.includes(':') ? '-6' : '-4'} route add ${address} dev toworld`);
  }
  const forwarding = 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';
  execFileSync('nsenter', [`--net=/run/netns/${host}`, 'sh', '-c', forwarding]);
  const script = `const { createServer } = require('node:net');
    let left = 2;
    for (const port of [53, 80]) createServer((c) => c.on('error', () => 0).end()).listen(port, '::', () => --left || console.log('up'));
    process.stdin.resume().on('end', () => process.exit());`;
  server = spawn('nsenter', [`--net=/run/netns/${world}`, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (server.stdout !== null) await once(server.stdout, 'data');
});

afterAll(async () => {
  server.stdin?.end();
  await once(server, 'exit');
  for (const name of [build, host, world]) ip(`netns delete ${name}`);
});

function give(namespace: string, device: string, addresses: readonly string[]): void {
  for (const address of addresses) {
    ip(`-n ${namespace} address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
  }
  ip(`-n ${namespace} link set ${device} up`);
}

/** Which addresses answer the build, as `address port`. */
function answered(): Set<string> {
  const knock = `for a in $1; do for p in 53 80; do
      timeout 5 bash -c ": < /dev/tcp/$a/$p" 2>/dev/null && echo "$a $p" &
    done; done; wait`;
  const args = [`--net=/run/netns/${build}`, 'sh', '-c', knock, 'sh', [...metadata, ...outside].join(' ')];
  return new Set(execFileSync('nsenter', args, { encoding: 'utf8' }).trim().split('\n'));
}

it('closes the metadata of clouds to builds, over IPv4 and IPv6, but for the port of names where the host asks it', () => {
  const both = (addresses: readonly string[]) => addresses.flatMap((address) => [`${address} 53`, `${address} 80`]);
  expect(answered()).toEqual(new Set(both([...metadata, ...outside])));
  const script = fileURLToPath(new URL('../support/set-rules.ts', import.meta.url));
  const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', script, mark, nameServer];
  execFileSync('nsenter', [`--net=/run/netns/${host}`, process.execPath, ...node]);
  expect(answered()).toEqual(new Set([...both(outside), `${nameServer} 53`]));
});

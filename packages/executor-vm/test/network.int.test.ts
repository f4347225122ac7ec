import { spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import type { Sandbox } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressesOfHost, HostService, Outside } from '../../../tests/support/host-network.js';
import { sh, Workbench } from './support/bench.js';

/** Says a word to every address over TCP and UDP (as the name of a file that is asked for), all at once. */
const knock = `
for a in $1; do
  (
    echo "tcp-$4-$a" | timeout 8 nc -w 5 $a $2 >/dev/null 2>&1
    cd /tmp && timeout 3 tftp -g -r "udp-$4-$a" $a $3 >/dev/null 2>&1
  ) &
done
wait`;

describe('a machine with network isolated', () => {
  let service: HostService;
  let outside: Outside;
  let bench: Workbench;
  let sandbox: Sandbox;

  beforeAll(async () => {
    service = await new HostService().open();
    outside = await new Outside().open();
    bench = await Workbench.open();
    sandbox = await bench.sandbox({ network: 'isolated' });
  });

  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await outside[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  it('reaches the outside', async () => {
    const [address = ''] = outside.addresses;
    const { stdout } = await sh(sandbox, 'timeout 20 nc $1 $2 </dev/null', [address, String(outside.port)]);
    expect(stdout).toBe('from outside');
  });

  it('reaches no address of the host, as root of its own kernel, over TCP and UDP', async () => {
    const own = addressesOfHost().filter((address) => !address.includes(':'));
    const ports = [String(service.tcpPort), String(service.udpPort)];
    const control = ['sh', '-c', knock, 'sh', own.join(' '), ...ports, 'control'];
    spawnSync('busybox', control);
    const [hostAddress] = outside.hostAddresses;
    await service.hears(`tcp-control-${hostAddress}`);
    while (!service.heard.some((text) => text.includes(`udp-control-${hostAddress}`))) await setTimeout(5);

    const gateways = ['10.0.3.2', '10.0.3.3', '10.0.2.2', '10.0.2.3', '169.254.169.254'];
    const asRoot = `[ "$(id -u)" = 0 ] || exit 9
      ip route add 198.51.100.0/24 dev eth0 2>/dev/null
      ip address add 10.0.2.77/24 dev eth0`;
    const { exit } = await sh(sandbox, `${asRoot}; ${knock}`, [[...own, ...gateways].join(' '), ...ports, 'guest']);
    expect(exit).toMatchObject({ status: 'exited', code: 0 });
    expect(service.heard.filter((text) => text.includes('guest'))).toEqual([]);
  });
});

describe('a machine with network none', () => {
  it('has a way to nobody', async () => {
    await using outside = await new Outside().open();
    await using bench = await Workbench.open();
    const sandbox = await bench.sandbox({ network: 'none' });
    const args = [outside.addresses[0] ?? '', String(outside.port)];
    expect(await sh(sandbox, 'timeout 5 nc -w 3 $1 $2 </dev/null; ip route', args)).toMatchObject({ stdout: '' });
    await sandbox[Symbol.asyncDispose]();
  });
});

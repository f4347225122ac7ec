import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Sandbox } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressesOfHost, HostService, Outside, outsideMs } from '../../../tests/support/host-network.js';
import { scope, sh, Workbench } from './support/bench.js';
import { arpFrame, compileRawSender, guestMac, synFrame, udpFrame } from './support/raw-packets.js';

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
    outside = await new Outside().open();
  }, outsideMs);
  beforeAll(async () => {
    service = await new HostService().open();
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

describe('a guest that writes its packets itself', () => {
  const gatewayMac = '52:55:0a:00:03:02';
  const foreignMac = '02:00:00:00:00:77';
  let folder: string;
  let outside: Outside;

  beforeAll(async () => {
    outside = await new Outside().open();
  }, outsideMs);
  afterAll(() => outside[Symbol.asyncDispose]());
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ritmo-raw-'));
    compileRawSender(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reaches the outside and no address of the host, whoever it says that it is', async () => {
    await using service = await new HostService().open();
    await using bench = await Workbench.open();
    const [outsideAddress = ''] = outside.addresses;
    const own = addressesOfHost();
    const [hostAddress = ''] = outside.hostAddresses;
    const targets = [...own, '10.0.3.2', '10.0.3.3', '10.0.2.2', '10.0.2.3', '10.0.2.100', '169.254.169.254'];
    const frames: Buffer[] = [];
    for (const to of targets) {
      const v6 = to.includes(':');
      const lies = v6 ? ['fec0::15', '::1', '2001:db8:77::1'] : ['10.0.3.15', '127.0.0.1', '10.0.2.100', hostAddress];
      for (const from of [...lies, to]) {
        for (const targetMac of [gatewayMac, 'ff:ff:ff:ff:ff:ff']) {
          for (const sourceMac of [guestMac, foreignMac]) {
            const text = `raw ${from} to ${to}`;
            frames.push(udpFrame({ from, to, port: service.udpPort, text, targetMac, sourceMac }));
            frames.push(synFrame({ from, to, port: service.tcpPort, text, targetMac, sourceMac }));
          }
        }
      }
      if (!v6) for (const operation of [1, 2] as const) frames.push(arpFrame(operation, to, foreignMac));
    }
    // The outside answers at these, and must hear nothing there.
    for (const to of ['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254']) {
      outside.answerAt(to);
      const from = to.includes(':') ? 'fec0::15' : '10.0.3.15';
      frames.push(udpFrame({ from, to, port: outside.port, text: `raw to ${to}`, targetMac: gatewayMac }));
    }
    // Behind all others, so that these have been dealt with once it is heard.
    const last = { from: '10.0.3.15', to: outsideAddress, port: outside.port, text: 'raw last', targetMac: gatewayMac };
    frames.push(arpFrame(2, '10.0.3.15', guestMac), udpFrame(last));

    const { volume, request } = await bench.volume({ network: 'isolated' });
    frames.forEach((frame, at) => writeFileSync(join(volume.hostPath, `frame-${String(at).padStart(5, '0')}`), frame));
    writeFileSync(join(volume.hostPath, 'raw'), readFileSync(join(folder, 'raw')), { mode: 0o755 });
    chownSync(join(volume.hostPath, 'raw'), volume.uid, volume.gid);
    const sandbox = await bench.executor.prepare(request, volume, scope());

    // What is said to the host by itself is heard: it is not for want of a listener.
    const socket = createSocket('udp4');
    socket.send('raw from the host', service.udpPort, hostAddress);
    await service.hears('raw from the host');
    socket.close();
    const { connections } = service;
    const script =
      'ip link set eth0 promisc on; cat /sys/class/net/eth0/ifindex; ./raw $(cat /sys/class/net/eth0/ifindex) frame-*';
    expect(await sh(sandbox, script)).toMatchObject({ exit: { status: 'exited', code: 0 }, stderr: '' });
    await outside.hears('raw last');
    expect(outside.heard).toEqual(['raw last']);
    expect(service.heard).toEqual(['raw from the host']);
    expect(service.connections).toBe(connections);
    const neighbours = execFileSync('ip', ['neigh'], { encoding: 'utf8' });
    for (const mac of [guestMac, foreignMac]) expect(neighbours).not.toContain(mac);
    await sandbox[Symbol.asyncDispose]();
  });
});

describe('a machine with network none', () => {
  let outside: Outside;

  beforeAll(async () => {
    outside = await new Outside().open();
  }, outsideMs);
  afterAll(() => outside[Symbol.asyncDispose]());

  it('has a way to nobody', async () => {
    await using bench = await Workbench.open();
    const sandbox = await bench.sandbox({ network: 'none' });
    const args = [outside.addresses[0] ?? '', String(outside.port)];
    expect(await sh(sandbox, 'timeout 5 nc -w 3 $1 $2 </dev/null; ip route', args)).toMatchObject({ stdout: '' });
    await sandbox[Symbol.asyncDispose]();
  });
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

let bench: Workbench;
const heard: string[] = [];
const tcp = createServer((socket) => {
  heard.push(`tcp from ${socket.remoteAddress}`);
  socket.on('error', () => undefined);
  socket.end('of the host\n');
});
const udp = createSocket('udp4', (data) => heard.push(`udp ${data.toString().trim()}`));

/** As root of its machine, a guest may send whatever it likes to whatever address through its card. */
const knock = `
sysctl -w net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1 >/dev/null 2>&1
ip addr del 127.0.0.1/8 dev lo
ip route del local 127.0.0.0/8 table local 2>/dev/null
ip route add 127.0.0.0/8 via 10.0.3.2 dev eth0
for address in $1; do
  nc -w 2 $address $2 </dev/null && echo "open $address"
  echo knock | nc -w 1 -u $address $3 2>/dev/null
done
true
`;

describe('the network of a machine', () => {
  beforeAll(async () => {
    tcp.listen(0, '0.0.0.0');
    udp.bind(0, '0.0.0.0');
    await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
    bench = await Workbench.open();
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    udp.close();
    await new Promise((resolve) => tcp.close(resolve));
  });

  it('isolated has a card and a name server, and leads to nothing of the host, whatever a root in it tries', async () => {
    expect(bench.executor.capabilities.network).toEqual(['isolated', 'none']);
    const { port } = tcp.address() as AddressInfo;
    const own = connect(port, '127.0.0.1');
    await once(own, 'close');
    expect(heard.splice(0)).toEqual(['tcp from 127.0.0.1']);

    const box = await bench.sandbox({ network: 'isolated' });
    expect(box.description).toContain('network isolated');
    const of = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const addresses = [
      ...of.filter(({ family }) => family === 'IPv4').map(({ address }) => address),
      '10.0.3.2',
      '10.0.2.2',
      '169.254.169.254',
    ];
    const { stdout } = await sh(box, 'ip -o addr show eth0; cat /etc/resolv.conf; ip route');
    expect(stdout).toContain('10.0.3.15/24');
    expect(stdout).toContain('nameserver 10.0.3.3');
    expect(stdout).toContain('default via 10.0.3.2');
    const tried = await sh(box, knock, [addresses.join(' '), String(port), String(udp.address().port)]);
    expect(tried.stdout).toBe('');
    expect(heard).toEqual([]);
    await box[Symbol.asyncDispose]();
  });

  it('none is a machine without a way out', async () => {
    const box = await bench.sandbox({ network: 'none' });
    expect((await sh(box, 'ls /sys/class/net')).stdout).toBe('lo\n');
    await box[Symbol.asyncDispose]();
  });
});

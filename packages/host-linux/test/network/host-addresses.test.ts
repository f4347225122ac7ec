import { expect, it } from 'vitest';
import { parseIpv6, parseLocalIpv4, parseRoutes, parseRoutes6 } from '../../src/network/host-addresses.js';

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
     |-- 198.51.100.7
        /30 link UNICAST
        /32 host LOCAL
`;

it('finds the addresses of the host, and neither networks, broadcast nor loopback', () => {
  expect(parseLocalIpv4(trie)).toEqual(['192.0.2.2/32', '198.51.100.7/32']);
});

it('reads routes, whose addresses are numbers', () => {
  const text = [
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
  ].join('\n');
  expect(parseRoutes(text)).toEqual([
    { device: 'eth0', prefix: '0.0.0.0/0', direct: false },
    { device: 'docker0', prefix: '172.17.0.0/16', direct: true },
  ]);
});

it('reads IPv6 addresses without loopback', () => {
  const text = [
    '00000000000000000000000000000001 01 80 10 80       lo',
    'fd000000000000000000000000000002 02 40 00 80     eth0',
  ].join('\n');
  expect(parseIpv6(`${text}\n`)).toEqual(['fd00:0000:0000:0000:0000:0000:0000:0002/128']);
});

it('reads IPv6 routes to networks, and neither single addresses, link-local nor multicast', () => {
  const none = '00000000000000000000000000000000';
  const route = (destination: string, bits: string, gateway: string, device: string) =>
    `${destination} ${bits} ${none} 00 ${gateway} 00000100 00000001 00000000 00000001 ${device.padStart(8)}`;
  const text = [
    route('fd000077000000000000000000000000', '40', none, 'br0'),
    route('fe800000000000000000000000000000', '40', none, 'br0'),
    route(none, '00', 'fd000000000000000000000000000001', 'eth0'),
    route('fd000077000000000000000000000001', '80', none, 'br0'),
    route('ff000000000000000000000000000000', '08', none, 'br0'),
    route(none, '00', none, 'lo'),
  ].join('\n');
  expect(parseRoutes6(`${text}\n`)).toEqual([
    { device: 'br0', prefix: 'fd00:0077:0000:0000:0000:0000:0000:0000/64', direct: true },
    { device: 'eth0', prefix: '::/0', direct: false },
  ]);
});

import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { unlessErrno } from '@ritmo/host-linux';

interface Range {
  readonly first: number;
  readonly bits: number;
}

/** Subnets of a given size out of one range, none of them in use; chosen anew each time, so that nothing is kept. */
export function* freeSubnets(
  range: string,
  bits: number,
  used: readonly string[],
  from: 'first' | 'last' = 'first',
): Generator<string> {
  const all = parse(range);
  const taken = used.flatMap((text) => (/^[\d.]+\/\d+$/.test(text) ? [parse(text)] : []));
  const size = 2 ** (32 - bits);
  const count = 2 ** (bits - all.bits);
  for (let i = 0; i < count; i++) {
    const subnet = { first: all.first + (from === 'first' ? i : count - 1 - i) * size, bits };
    if (!taken.some((other) => overlap(subnet, other))) yield `${text(subnet.first)}/${bits}`;
  }
}

/** The address that comes so many after the gateway's, which is the first. */
export function addressIn(subnet: string, number: number): string {
  return text(parse(subnet).first + 1 + number);
}

/** The subnets that the interfaces of this host are in. */
export function hostSubnets(): string[] {
  const ofInterfaces = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .flatMap(({ family, cidr }) => (family === 'IPv4' && cidr !== null ? [cidr] : []));
  return [...ofInterfaces, ...bridgeSubnets(unlessErrno(['ENOENT'], () => readFileSync('/proc/net/route', 'utf8')))];
}

/** A bridge that nothing is plugged into, as of another daemon, is among the routes only. */
function bridgeSubnets(routes = ''): string[] {
  return routes.split('\n').flatMap((line) => {
    const [device = '', destination = '', gateway = '', , , , , mask = ''] = line.split('\t');
    if (gateway !== '00000000' || !existsSync(`/sys/class/net/${device}/bridge`)) return [];
    const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
    return [`${text(Buffer.from(destination, 'hex').readUInt32LE())}/${bits}`];
  });
}

function parse(cidr: string): Range {
  const [address = '', bits = '32'] = cidr.split('/');
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return { first: Math.floor(number / size) * size, bits: Number(bits) };
}

function overlap(a: Range, b: Range): boolean {
  return a.first < b.first + 2 ** (32 - b.bits) && b.first < a.first + 2 ** (32 - a.bits);
}

function text(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

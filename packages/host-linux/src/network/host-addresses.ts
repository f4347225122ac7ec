import { existsSync, readFileSync } from 'node:fs';
import { unlessErrno } from '../errno.js';

/**
 * What of this host no isolated job may reach, as prefixes: its own addresses, whether their interface is up or not,
 * and the networks of its bridges, where other builds may live; loopback apart. A bridge with the way out stays open.
 */
export function hostPrefixes(): { readonly ipv4: string[]; readonly ipv6: string[] } {
  return {
    ipv4: unique([
      ...parseLocalIpv4(read('/proc/net/fib_trie')),
      ...bridged(parseRoutes(read('/proc/net/route')), '0.0.0.0/0'),
    ]),
    ipv6: unique([
      ...parseIpv6(read('/proc/net/if_inet6')),
      ...bridged(parseRoutes6(read('/proc/net/ipv6_route')), '::/0'),
    ]),
  };
}

/** From the kernel's table of routes: the addresses that it takes for its own. */
export function parseLocalIpv4(text: string): string[] {
  const found = text.matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\n(?:\s+\/\d+ (?!host)\w.*\n)*\s+\/32 host LOCAL/g);
  return [...found].map(([, address]) => `${address}/32`).filter((prefix) => !prefix.startsWith('127.'));
}

interface Route {
  readonly device: string;
  readonly prefix: string;
  readonly direct: boolean;
}

/** From /proc/net/route, where addresses are numbers in the order of this machine's bytes. */
export function parseRoutes(text: string): Route[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [device, destination, gateway, , , , , mask] = line.split('\t');
      if (device === undefined || destination === undefined || mask === undefined) return [];
      const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
      return [{ device, prefix: `${dotted(destination)}/${bits}`, direct: gateway === '00000000' }];
    });
}

/** From /proc/net/ipv6_route, without what leads to single addresses, to all that are link-local or to nowhere. */
export function parseRoutes6(text: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [destination = '', length = '', , , gateway = '', , , , , device = 'lo'] = line.split(/\s+/);
    const bits = Number.parseInt(length, 16);
    if (device === 'lo' || bits === 128 || /^(fe80|ff)/.test(destination)) return [];
    const prefix = bits === 0 ? '::/0' : `${colons(destination)}/${bits}`;
    return [{ device, prefix, direct: /^0+$/.test(gateway) }];
  });
}

function bridged(routes: readonly Route[], everywhere: string): string[] {
  const outward = new Set(routes.filter(({ prefix }) => prefix === everywhere).map(({ device }) => device));
  return routes
    .filter(({ device, direct, prefix }) => direct && prefix !== everywhere && !outward.has(device))
    .filter(({ device }) => existsSync(`/sys/class/net/${device}/bridge`))
    .map(({ prefix }) => prefix);
}

/** From /proc/net/if_inet6. */
export function parseIpv6(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const address = colons(line.split(' ')[0] ?? '');
    return address === '' || /^(0000:){7}0001$/.test(address) ? [] : [`${address}/128`];
  });
}

const colons = (hex: string) => hex.match(/[\da-f]{4}/g)?.join(':') ?? '';

function dotted(hex: string): string {
  const number = Number.parseInt(hex, 16);
  return [0, 8, 16, 24].map((shift) => (number >>> shift) & 255).join('.');
}

const unique = (items: readonly string[]) => [...new Set(items)];

const read = (path: string) => unlessErrno(['ENOENT', 'EACCES'], () => readFileSync(path, 'latin1')) ?? '';

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { unlessErrno } from '../errno.js';

/** Addresses of the name servers that this host asks, as /etc/resolv.conf has them; none where it cannot be read. */
export function nameServers(): string[] {
  return parseNameServers(unlessErrno(['ENOENT', 'EACCES'], () => readFileSync('/etc/resolv.conf', 'utf8')) ?? '');
}

/** What of a packet filter (nft) matches the questions to a name server. */
export function asksForNames(address: string): string {
  return `${isIP(address) === 6 ? 'ip6' : 'ip'} daddr ${address} meta l4proto { tcp, udp } th dport 53`;
}

/** From the text of resolv.conf; what is no address, or one with a zone, is left out. */
export function parseNameServers(text: string): string[] {
  const named = [...text.matchAll(/^nameserver[ \t]+([\da-fA-F.:]+)[ \t]*$/gm)].flatMap(([, address]) => address ?? []);
  return named.filter((address) => isIP(address) !== 0);
}

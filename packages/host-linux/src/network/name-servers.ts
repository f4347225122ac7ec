import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { unlessErrno } from '../errno.js';

/** Addresses of the name servers that this host asks, as /etc/resolv.conf has them; none where it cannot be read. */
export function nameServers(): string[] {
  return parseNameServers(unlessErrno(['ENOENT', 'EACCES'], () => readFileSync('/etc/resolv.conf', 'utf8')) ?? '');
}

/** From the text of resolv.conf; what is no address, or one with a zone, is left out. */
export function parseNameServers(text: string): string[] {
  const named = [...text.matchAll(/^nameserver[ \t]+([\da-fA-F.:]+)[ \t]*$/gm)].flatMap(([, address]) => address ?? []);
  return named.filter((address) => isIP(address) !== 0);
}

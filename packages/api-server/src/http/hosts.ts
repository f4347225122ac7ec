import { networkInterfaces } from 'node:os';
import { ApiError } from '../errors.js';

const loopback = ['localhost', '127.0.0.1', '[::1]'];
const wildcards = new Set(['0.0.0.0', '::']);

/** Refuses a `Host` that is not a name of this server, so that no web page reaches it through a name of its own. */
export function hostCheck(listenHost: string, hostNames: readonly string[]): (host: string | undefined) => void {
  const own = wildcards.has(listenHost) ? localAddresses() : [listenHost];
  const known = new Set([...loopback, ...own.map(bracketed), ...hostNames].map((name) => name.toLowerCase()));
  return (host) => {
    const name = (host ?? '').toLowerCase().replace(/:\d*$/, '');
    if (known.has(name)) return;
    throw new ApiError('RITMO_FORBIDDEN', `The server does not go by the name ${JSON.stringify(name)}.`, {
      status: 421,
      hint: 'Call it by a name it knows, or start it with this one among its host names.',
    });
  };
}

function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

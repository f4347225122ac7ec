import { RitmoError } from '../errors.js';

/** Where an API server is. */
export interface ServerAddress {
  /** Scheme, host and port, and the path before `/v1` where the server lies below one; ends in no slash. */
  readonly base: string;
  /** Whether it is this machine. */
  readonly loopback: boolean;
}

/**
 * Reads `--api-server`. A bare `host:port` means http on loopback and https elsewhere; plain http elsewhere needs
 * `insecure`, else RITMO_INSECURE_URL. What is no address rejects with RITMO_USAGE.
 */
export function parseAddress(text: string, insecure = false): ServerAddress {
  const url = parse(text.trim());
  if (url === undefined) throw usage(text, 'is not an address');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw usage(text, 'must begin with https:// or http://');
  if (url.username !== '' || url.password !== '') {
    throw new RitmoError('RITMO_USAGE', 'The address of the API server must hold no user name or password.', {
      hint: 'Hand the token in with --token-file.',
    });
  }
  if (url.search !== '' || url.hash !== '') throw usage(text, 'must have no query and no fragment');
  const loopback = isLoopback(url.hostname);
  if (url.protocol === 'http:' && !loopback && !insecure) {
    throw new RitmoError(
      'RITMO_INSECURE_URL',
      `Plain http to ${url.host} would show tokens and secrets to the network.`,
    );
  }
  return { base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, loopback };
}

/** Whether a host name or a literal address, as a URL spells it, is this machine. */
function isLoopback(hostname: string): boolean {
  const host = hostname.toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return /^127(\.\d{1,3}){3}$/.test(host) || host === '[::1]' || host === '::1';
}

function parse(text: string): URL | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return toUrl(text);
  if (/[\s\\]/.test(text)) return undefined;
  const bare = toUrl(`https://${text}`);
  return bare !== undefined && isLoopback(bare.hostname) ? toUrl(`http://${text}`) : bare;
}

function toUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function usage(text: string, problem: string): RitmoError {
  return new RitmoError('RITMO_USAGE', `The API server ${JSON.stringify(text)} ${problem}.`, {
    hint: 'Write it like localhost:8080 or https://ci.example.org.',
  });
}

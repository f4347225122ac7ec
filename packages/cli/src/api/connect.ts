import { createPrivateKey, X509Certificate } from 'node:crypto';
import { parseAddress } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { connectionKeys } from '../options/groups.js';
import type { Settings } from '../options/table.js';
import { defaultDataDir } from '../paths.js';
import { readText } from '../read-text.js';
import { ApiClient } from './client.js';
import type { Tls } from './http.js';
import { findToken } from './token.js';

export type ConnectionSettings = Settings<(typeof connectionKeys)[number]>;

type Env = Readonly<Record<string, string | undefined>>;

/** A client with the user's token. Says that the server is not there rather than that its token is not. */
export async function connect(settings: ConnectionSettings, env: Env, signal: AbortSignal): Promise<ApiClient> {
  const address = parseAddress(settings.apiServer, settings.insecure);
  const tls = await readTls(settings);
  try {
    return new ApiClient({ ...address, tls, token: await tokenFor(settings, env, 'user') });
  } catch (error) {
    await using anonymous = new ApiClient({ ...address, tls, token: '' });
    await anonymous.health(signal);
    throw error;
  }
}

/** The token of a role: from the file that was named, else from the data folder of a server on this machine. */
export function tokenFor(settings: ConnectionSettings, env: Env, role: 'user' | 'registration'): Promise<string> {
  const { loopback } = parseAddress(settings.apiServer, settings.insecure);
  const dataDir = settings.dataDir ?? (loopback ? defaultDataDir(env) : undefined);
  return findToken({ tokenFile: settings.tokenFile, dataDir, role });
}

/**
 * PEM texts of the files that were named.
 * @throws RITMO_USAGE where one cannot be read or holds something else, or certificate and key are no pair
 */
export async function readTls(settings: ConnectionSettings): Promise<Tls> {
  const [ca, cert, key] = await Promise.all([
    readPem(settings.caFile, 'CERTIFICATE'),
    readPem(settings.certFile, 'CERTIFICATE'),
    readPem(settings.keyFile, 'PRIVATE KEY'),
  ]);
  assertPair(settings, cert, key);
  return { ca, cert, key };
}

function assertPair(
  { certFile, keyFile }: ConnectionSettings,
  cert: string | undefined,
  key: string | undefined,
): void {
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined) {
    const [given, missing] = cert === undefined ? ['--key-file', '--cert-file'] : ['--cert-file', '--key-file'];
    throw new RitmoError('RITMO_USAGE', `${given} was given without ${missing}.`, { hint: `Give ${missing} too.` });
  }
  if (belongTogether(cert, key)) return;
  throw new RitmoError('RITMO_USAGE', `The key in ${keyFile} is not that of the certificate in ${certFile}.`, {
    hint: 'The certificate of the client stands first in its file; its key must not be encrypted.',
  });
}

function belongTogether(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // OpenSSL finds no certificate, or no key, in what looks like one.
    return false;
  }
}

async function readPem(path: string | undefined, what: 'CERTIFICATE' | 'PRIVATE KEY'): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const pem = await readText(path, 'PEM file');
  if (new RegExp(`^-----BEGIN [A-Z ]*${what}-----$`, 'm').test(pem.replaceAll('\r', ''))) return pem;
  throw new RitmoError('RITMO_USAGE', `The PEM file ${path} holds no ${what.toLowerCase()}.`, {
    hint: `It has to have a line -----BEGIN ${what}-----.`,
  });
}

import type { Network } from '@ritmo/agent-core/executor';
import { existsSync, lstatSync, readlinkSync } from 'node:fs';

/** Programs and libraries of the host; where they are links into /usr, links they stay. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store'];

/** What builds need of /etc. Nothing with accounts, keys or settings of the host's services. */
const etcFiles = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'debian_version',
  'fonts',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'locale.alias',
  'magic',
  'mime.types',
  'nsswitch.conf',
  'os-release',
  'pki/ca-trust/extracted',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'protocols',
  'services',
  'ssl/cert.pem',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone',
];

/** What only a job with a way out needs. */
const networkFiles = ['gai.conf', 'ssh/ssh_known_hosts'];

/** Arguments of bubblewrap that show the system, read-only. */
export function systemArgs(): string[] {
  return systemFolders.filter(existsSync).flatMap((path) => {
    if (lstatSync(path).isSymbolicLink()) return ['--symlink', readlinkSync(path), path];
    return ['--ro-bind', path, path];
  });
}

/** Arguments of bubblewrap that show the chosen files of /etc. */
export function etcArgs(network: Network): string[] {
  const outward = network === 'none' ? [] : networkFiles;
  return [...etcFiles, ...outward, ...(network === 'host' ? ['resolv.conf'] : [])]
    .map((name) => `/etc/${name}`)
    .filter(existsSync)
    .flatMap((path) => ['--ro-bind-try', path, path]);
}

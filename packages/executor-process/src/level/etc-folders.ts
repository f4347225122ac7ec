import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Network } from '@ritmo/agent-core/executor';
import { type Owner, privateNameServer, unlessErrno } from '@ritmo/host-linux';

export const jobUserName = 'build';
export const sandboxHostname = 'build';

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

/**
 * The /etc of sandboxes, one for each kind of network: copies of the chosen files in a folder of the executor's own,
 * since each mount costs every start. A file that the host has changed since is copied anew.
 */
export class EtcFolders {
  readonly #folder: string;
  readonly #ready = new Map<string, string>();

  /** `folder` is made when it is needed, and must be reachable for the users of jobs. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Arguments of bubblewrap; `jobEtc` holds what `writeUserFiles` wrote. */
  args(jobEtc: string, network: Network): string[] {
    return [
      ...['--ro-bind', this.of(network), '/etc'],
      ...userFiles.flatMap((name) => ['--ro-bind', join(jobEtc, name), `/etc/${name}`]),
      ...(network === 'host' ? ['--ro-bind-try', '/etc/resolv.conf', '/etc/resolv.conf'] : []),
    ];
  }

  /** Where it lies. Never changed once it is there: sandboxes show it. */
  of(network: Network): string {
    const names = [...etcFiles, ...(network === 'none' ? [] : networkFiles)].filter((name) =>
      existsSync(join('/etc', name)),
    );
    const key = createHash('sha256')
      .update(network + names.map(signature).join())
      .digest('hex')
      .slice(0, 16);
    const known = this.#ready.get(key);
    if (known !== undefined) return known;
    const place = join(this.#folder, `${network}-${key}`);
    const making = `${place}.new`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true, mode: 0o755 });
    for (const name of names) copy(join('/etc', name), join(making, name));
    for (const [name, text] of Object.entries(ownFiles(network)))
      writeFileSync(join(making, name), text, { mode: 0o644 });
    renameSync(making, place);
    this.#ready.set(key, place);
    return place;
  }
}

/** Files that are each job's own; the folder has empty ones in their place. */
const userFiles = ['passwd', 'group'] as const;

/** Writes the files that name the job's user, and nobody of the real host. */
export function writeUserFiles(folder: string, { uid, gid }: Owner, home: string): void {
  mkdirSync(folder, { mode: 0o755 });
  const files = {
    passwd: [
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `${jobUserName}:x:${uid}:${gid}::${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ],
    group: ['root:x:0:', `${jobUserName}:x:${gid}:`, 'nogroup:x:65534:'],
  } satisfies Record<(typeof userFiles)[number], string[]>;
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`, { mode: 0o644 });
}

function ownFiles(network: Network): Record<string, string> {
  return {
    ...Object.fromEntries(userFiles.map((name) => [name, ''])),
    hosts: `127.0.0.1 localhost ${sandboxHostname}\n::1 localhost ip6-localhost ip6-loopback\n`,
    hostname: `${sandboxHostname}\n`,
    ...(network === 'none' ? {} : { 'resolv.conf': network === 'isolated' ? `nameserver ${privateNameServer}\n` : '' }),
  };
}

function signature(name: string): string {
  const { ino, mtimeMs, size } = statSync(join('/etc', name));
  return `${name} ${ino} ${mtimeMs} ${size}`;
}

/** A link at the top is followed: what it leads to may lie where no sandbox sees. Permissions stay. */
function copy(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  unlessErrno(['EACCES', 'ENOENT'], () =>
    cpSync(realpathSync(source), target, { recursive: true, verbatimSymlinks: true }),
  );
}

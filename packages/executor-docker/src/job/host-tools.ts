import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { createHash } from 'node:crypto';
import type { DockerClient } from '../docker/client.js';
import { tarOf } from '../docker/tar.js';

const repository = 'ritmo/host-tools';
/** Without /sbin: there the daemon puts its init. */
const systemFolders = ['/bin', '/lib', '/lib32', '/lib64', '/libx32'];
/** What programs need of /etc to find libraries and to trust certificates; nothing that tells of people or passwords. */
const etcEntries = [
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/crypto-policies',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/nsswitch.conf',
  '/etc/pki',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
];

/** How the programs of the host are shown to a container: an image of nothing but links, and read-only binds. */
export interface HostTools {
  /** Its id. */
  readonly image: string;
  readonly binds: readonly string[];
}

/** Makes the image of links where the daemon does not have it; it is a few hundred bytes and stays for the next time. */
export async function openHostTools(docker: DockerClient): Promise<HostTools> {
  const links = systemFolders.flatMap((path) =>
    isLink(path) ? [{ kind: 'link' as const, path: path.slice(1), target: readlinkSync(path) }] : [],
  );
  const real = systemFolders.filter((path) => existsSync(path) && !isLink(path));
  const tag = createHash('sha256').update(JSON.stringify(links)).digest('hex').slice(0, 12);
  const image = `${repository}:${tag}`;
  const found = await docker.inspectImage(image);
  const id =
    found?.id ?? (await docker.importImage(tarOf([{ kind: 'folder', path: 'run' }, ...links]), repository, tag));
  const binds = ['/usr', ...real, ...etcEntries.filter((path) => existsSync(path))].map((path) => `${path}:${path}:ro`);
  return { image: id, binds };
}

const isLink = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

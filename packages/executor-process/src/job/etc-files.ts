import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const jobUserName = 'build';
export const sandboxHostname = 'build';

/** Writes the files of /etc that name the job's user and its host, and nobody of the real host. */
export function writeEtcFiles(
  folder: string,
  user: { readonly uid: number; readonly gid: number },
  home: string,
): void {
  mkdirSync(folder, { mode: 0o755 });
  const files = {
    passwd: [
      'root:x:0:0:root:/root:/usr/sbin/nologin',
      `${jobUserName}:x:${user.uid}:${user.gid}::${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    ],
    group: ['root:x:0:', `${jobUserName}:x:${user.gid}:`, 'nogroup:x:65534:'],
    hosts: [`127.0.0.1 localhost ${sandboxHostname}`, '::1 localhost ip6-localhost ip6-loopback'],
    hostname: [sandboxHostname],
  };
  for (const [name, lines] of Object.entries(files)) {
    writeFileSync(join(folder, name), `${lines.join('\n')}\n`, { mode: 0o644 });
  }
}

/** Names the server that a job with a network of its own asks. */
export function writeResolver(folder: string, address: string): void {
  writeFileSync(join(folder, 'resolv.conf'), `nameserver ${address}\n`, { mode: 0o644 });
}

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findDaemon } from '../../src/docker/address.js';

const run = promisify(execFile);

/** An image of Debian's static busybox, as large as a test needs; made where the daemon does not have it. */
export const busyboxImage = 'ritmo-test/busybox:1';

export async function makeBusyboxImage(address?: string): Promise<void> {
  const { client } = await findDaemon(address);
  if ((await client.inspectImage(busyboxImage)) !== undefined) return;
  const root = await mkdtemp(join(tmpdir(), 'ritmo-busybox-'));
  try {
    for (const folder of ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'etc', 'root', 'var', 'home/build']) {
      await mkdir(join(root, folder), { recursive: true });
    }
    await mkdir(join(root, 'tmp'));
    await run('chmod', ['1777', join(root, 'tmp')]);
    await run('chown', ['1234:1234', join(root, 'home/build')]);
    await copyFile('/bin/busybox', join(root, 'bin/busybox'));
    await run('chroot', [root, '/bin/busybox', '--install', '-s', '/bin']);
    await writeFile(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nbuild:x:1234:1234::/home/build:/bin/sh\n',
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nbuild:x:1234:\n');
    const { stdout } = await run('tar', ['-C', root, '-c', '.'], { encoding: 'buffer', maxBuffer: 64 * 2 ** 20 });
    const [repository = '', tag = ''] = busyboxImage.split(':');
    await client.importImage(stdout, repository, tag);
  } finally {
    await rm(root, { recursive: true });
  }
}

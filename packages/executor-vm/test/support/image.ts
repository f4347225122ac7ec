import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '@ritmo/host-linux';

/** Templates and root filesystems of this run of the tests. */
export const cacheDir = process.env['RITMO_TEST_VM_CACHE'] ?? join(tmpdir(), 'ritmo-vm-cache');
export const imageName = 'ritmo/busybox:test';

/** A root filesystem of a static busybox and its links, as a tar archive; made once. */
export function busyboxTar(): string {
  const path = join(cacheDir, 'busybox.tar');
  if (existsSync(path)) return path;
  mkdirSync(cacheDir, { recursive: true, mode: 0o711 });
  const root = mkdtempSync(join(tmpdir(), 'ritmo-image-'));
  try {
    const busybox = findProgram('busybox') ?? '/usr/bin/busybox';
    const folders = ['bin', 'dev', 'etc', 'home/build', 'proc', 'root', 'run', 'sys', 'tmp', 'usr/bin'];
    for (const name of folders) mkdirSync(join(root, name), { recursive: true });
    chmodSync(join(root, 'tmp'), 0o1777);
    copyFileSync(busybox, join(root, 'bin/busybox'));
    chmodSync(join(root, 'bin/busybox'), 0o755);
    for (const name of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
      if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
    }
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nbuild:x:1000:1000::/home/build:/bin/sh\n');
    // As `docker export` gives it.
    writeFileSync(join(root, 'etc/hosts'), '');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nbuild:x:1000:\n');
    const fresh = `${path}.${process.pid}`;
    execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', fresh, '.']);
    renameSync(fresh, path);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return path;
}

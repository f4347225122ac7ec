import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/ritmo-guest-kernel');

/** A kernel as Debian builds it, fetched once with the system's own tool; it is not installed. */
export function debianKernel(): string {
  const kept = findImage(cache);
  if (kept !== undefined) return kept;
  const fresh = `${cache}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  try {
    const run = (file: string, ...args: string[]) => execFileSync(file, args, { cwd: fresh, encoding: 'utf8' });
    const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', 'depends', 'linux-image-cloud-amd64'))?.[1];
    if (name === undefined) throw new Error('this system has no package of a kernel for guests');
    run('apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', name);
    const [archive] = readdirSync(fresh);
    run('dpkg-deb', '-x', String(archive), 'image');
    rmSync(cache, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    renameSync(findImage(join(fresh, 'image/boot')) ?? '', join(cache, 'vmlinuz'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return join(cache, 'vmlinuz');
}

function findImage(folder: string): string | undefined {
  try {
    const name = readdirSync(folder).find((file) => file.startsWith('vmlinuz'));
    return name === undefined ? undefined : join(folder, name);
  } catch {
    return undefined;
  }
}

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const cache = join(import.meta.dirname, '../../node_modules/.cache/ritmo-guest-kernel');

export interface KernelPackage {
  /** As the distribution gives it away. */
  readonly archive: string;
  /** What it holds. */
  readonly tree: string;
}

/** A kernel package of Debian, fetched once with the system's own tool and unpacked; it is not installed. */
export function debianKernelPackage(): KernelPackage {
  const kept = { archive: join(cache, 'kernel.deb'), tree: join(cache, 'tree') };
  if (existsSync(cache)) return kept;
  const fresh = `${cache}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  try {
    const run = (file: string, ...args: string[]) => execFileSync(file, args, { cwd: fresh, encoding: 'utf8' });
    const name = /Depends: (linux-image-\S+)/.exec(run('apt-cache', 'depends', 'linux-image-cloud-amd64'))?.[1];
    if (name === undefined) throw new Error('this system has no package of a kernel for guests');
    run('apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', name);
    const [archive = ''] = readdirSync(fresh);
    renameSync(join(fresh, archive), join(fresh, 'kernel.deb'));
    run('dpkg-deb', '-x', 'kernel.deb', 'tree');
    if (!existsSync(cache)) renameSync(fresh, cache);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return kept;
}

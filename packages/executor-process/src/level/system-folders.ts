import { existsSync, lstatSync, readlinkSync } from 'node:fs';

/** Programs and libraries of the host; where they are links into /usr, links they stay. */
const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store'];

/** Arguments of bubblewrap that show the system, read-only. */
export function systemArgs(): string[] {
  return systemFolders.filter(existsSync).flatMap((path) => {
    if (lstatSync(path).isSymbolicLink()) return ['--symlink', readlinkSync(path), path];
    return ['--ro-bind', path, path];
  });
}

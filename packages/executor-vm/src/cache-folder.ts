import { accessSync, chmodSync, constants, mkdirSync, statfsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { isRoot } from './job/job-host.js';
import type { ResolvedOptions } from './options.js';
import { unavailable } from './unavailable.js';

/** Throws RITMO_NO_ROOM where a folder has less room than that: a memory or a kernel that is half there is worse. */
export function assertRoom(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  throw new RitmoError('RITMO_NO_ROOM', `There is less than ${bytes / 2 ** 20} MiB of room in ${folder}.`, {
    hint: 'Make room there, or set `cacheDir` of the vm executor.',
  });
}

/** The cache of these options: made, and such that the users of machines can walk to it. */
export function openCache({ cacheDir }: Pick<ResolvedOptions, 'cacheDir'>): string {
  const caches = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folder = cacheDir ?? (isRoot() ? '/var/cache/ritmo-agent/vm' : join(caches, 'ritmo-agent/vm'));
  try {
    for (const path of [folder, ...['boot', 'templates', 'images'].map((name) => join(folder, name))]) {
      mkdirSync(path, { recursive: true, mode: 0o711 });
      chmodSync(path, 0o711);
    }
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw unavailable(`The cache ${folder} cannot be made or written.`, 'Set `cacheDir` of the vm executor.', error);
  }
  for (let path = folder; isRoot() && path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0)
      throw unavailable(
        `The users of machines cannot walk through ${path}.`,
        `Let others pass (chmod o+x ${path}), or set \`cacheDir\`.`,
      );
  }
  return folder;
}

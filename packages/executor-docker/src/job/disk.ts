import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { isNearlyFull, mountLoopVolume, type Owner } from '@ritmo/host-linux';
import type { JobFolders } from './folders.js';

/** Makes the folders of a job that count against its disk limit: on a volume of that size where there is a limit. */
export async function makeDisk(
  folders: JobFolders,
  bytes: number | undefined,
  owner: Owner | undefined,
): Promise<void> {
  if (bytes === undefined) {
    mkdirSync(folders.disk, { mode: 0o711 });
    chmodSync(folders.disk, 0o711);
  } else await mountLoopVolume({ image: folders.diskImage, path: folders.disk, bytes });
  for (const folder of [folders.workspace, folders.home]) {
    mkdirSync(folder, { mode: 0o700 });
    if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  }
}

/** Whether a job has used up the volume that limits it. */
export function isFull(folders: JobFolders): boolean {
  try {
    return isNearlyFull(folders.disk);
  } catch {
    return false;
  }
}

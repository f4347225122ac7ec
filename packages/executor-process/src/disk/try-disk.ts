import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { leastLoopBytes, mountLoopFolder, removeTree, unmountLoopFolder } from '@ritmo/host-linux';
import { isRoot } from '../job/user.js';
import type { DiskKind } from './job-disk.js';

/** How the disk of jobs can be bounded here: mounts a small file system to see. `why` tells what stands in the way. */
export async function tryDisk(instance: string): Promise<{ readonly kind: DiskKind; readonly why?: string }> {
  if (!isRoot()) return { kind: 'watch', why: 'only root mounts' };
  const place = { image: join(instance, 'trial.img'), path: join(instance, 'trial') };
  mkdirSync(place.path, { mode: 0o700 });
  try {
    await mountLoopFolder({ ...place, bytes: leastLoopBytes });
    return { kind: 'loop' };
  } catch (error) {
    return { kind: 'watch', why: (error instanceof Error ? error.message : String(error)).trim() };
  } finally {
    await unmountLoopFolder(place);
    await removeTree(place.path);
  }
}

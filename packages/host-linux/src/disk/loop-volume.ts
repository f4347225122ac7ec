import { execFile } from 'node:child_process';
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { unlessErrno } from '../errno.js';
import { removeTree } from '../files/remove-tree.js';
import { mount, unmountBelow } from '../mounts/mount.js';
import { findProgram } from '../process/find-program.js';

const run = promisify(execFile);
/** Below this ext4 has no room for what it keeps itself. */
export const smallestLoopVolume = 4 * 2 ** 20;

export interface LoopVolumeRequest {
  /** The image: a sparse file, made here with the folder around it. */
  readonly image: string;
  /** Where it is mounted; made here where it is not there. */
  readonly path: string;
  readonly bytes: number;
}

/** Whether a loop volume may work here: root on Linux with mkfs.ext4. Only trying tells for sure. */
export function mayMakeLoopVolumes(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && mkfs() !== undefined;
}

/**
 * Mounts a new sparse ext4 image of the given size, nosuid and nodev, mode 0711: whoever writes past it gets ENOSPC.
 * What it holds besides `lost+found` belongs below a folder of its own. Root only; rejects with the words of the
 * system's tools, and leaves no image then. One that a build could write raw must never be mounted again.
 */
export async function mountLoopVolume({ image, path, bytes }: LoopVolumeRequest): Promise<void> {
  const tool = mkfs();
  if (tool === undefined) throw new Error('mkfs.ext4 is not installed');
  mkdirSync(dirname(image), { recursive: true });
  const fd = openSync(image, 'wx', 0o600);
  try {
    try {
      ftruncateSync(fd, Math.max(bytes, smallestLoopVolume));
    } finally {
      closeSync(fd);
    }
    // No journal: the volume dies with its job. No reserved blocks: the job may be root.
    const features = ['-m', '0', '-O', '^has_journal', '-E', 'nodiscard,lazy_itable_init=1,root_owner=0:0'];
    await run(tool, ['-q', '-F', ...features, image], { timeout: 60_000 });
    mkdirSync(path, { recursive: true, mode: 0o711 });
    await mount(['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, path]);
    chmodSync(path, 0o711);
  } catch (error) {
    unlessErrno(['ENOENT'], () => unlinkSync(image));
    throw error;
  }
}

/** Takes the volume away, and its image with all that it holds. */
export async function removeLoopVolume({ image, path }: Pick<LoopVolumeRequest, 'image' | 'path'>): Promise<void> {
  await unmountBelow(path);
  unlessErrno(['ENOENT'], () => unlinkSync(image));
}

/**
 * Mounts a small volume in a folder of the caller's own, which must not be there yet, and removes both: undefined when
 * that works, else why it cannot be had here.
 */
export async function tryLoopVolume(folder: string): Promise<string | undefined> {
  if (!mayMakeLoopVolumes()) return process.getuid?.() === 0 ? 'mkfs.ext4 is not installed' : 'only root mounts';
  const place = { image: `${folder}/disk.img`, path: `${folder}/disk` };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    await mountLoopVolume({ ...place, bytes: smallestLoopVolume });
    return undefined;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).trim();
  } finally {
    await removeLoopVolume(place);
    await removeTree(folder);
  }
}

const mkfs = () => findProgram('mkfs.ext4', `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`);

import { execFile } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, statfsSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { unlessErrno } from '../errno.js';
import { mount, unmountBelow } from '../mounts/mount.js';

const run = promisify(execFile);
/** A file system needs room for itself. */
export const leastLoopBytes = 4 * 1024 * 1024;

export interface LoopFolderRequest {
  /** The image: a sparse file, made here. */
  readonly image: string;
  /** An empty folder. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * Mounts a new ext4 file system of a fixed size, nosuid and nodev, at a folder. Root only; rejects with the words of
 * the system's tools, and leaves nothing then. The image must never be mounted again once a build could write it raw.
 */
export async function mountLoopFolder({ image, path, bytes }: LoopFolderRequest): Promise<void> {
  const fd = openSync(image, 'wx', 0o600);
  try {
    try {
      ftruncateSync(fd, Math.max(bytes, leastLoopBytes));
    } finally {
      closeSync(fd);
    }
    // No journal: nothing of it is read after a crash. No room kept back for root.
    const features = ['-O', '^has_journal', '-m', '0', '-E', 'lazy_itable_init=1,nodiscard,root_owner=0:0'];
    await run('mkfs.ext4', ['-q', '-F', ...features, image], { env: toolEnv(), timeout: 60_000 });
    await mount(['-t', 'ext4', '-o', 'loop,nosuid,nodev,noatime', image, path]);
  } catch (error) {
    unlessErrno(['ENOENT'], () => unlinkSync(image));
    throw error;
  }
}

/** Takes the file system away, and its image with all that it holds. */
export async function unmountLoopFolder({ image, path }: Pick<LoopFolderRequest, 'image' | 'path'>): Promise<void> {
  await unmountBelow(path);
  unlessErrno(['ENOENT'], () => unlinkSync(image));
}

export interface DiskSpace {
  readonly usedBytes: number;
  /** What anybody but root may still take. */
  readonly freeBytes: number;
  readonly freeFiles: number;
}

export function diskSpace(path: string): DiskSpace {
  const { bsize, blocks, bfree, bavail, ffree } = statfsSync(path);
  return { usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize, freeFiles: ffree };
}

/** mkfs lies in a folder that a search path of users often lacks. */
const toolEnv = () => ({ PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` });

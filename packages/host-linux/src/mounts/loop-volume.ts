import { execFile } from 'node:child_process';
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../process/find-program.js';
import { mount } from './mount.js';

const run = promisify(execFile);
/** Below this ext4 has no room for what it keeps itself. */
export const smallestLoopVolume = 8 * 2 ** 20;

/** Whether a loop volume may work here: root on Linux with mkfs.ext4. Only trying tells for sure. */
export function mayMakeLoopVolumes(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && mkfs() !== undefined;
}

/**
 * Mounts a sparse ext4 image of the given size: whoever writes past it gets ENOSPC. nosuid and nodev. What it holds
 * besides `lost+found` belongs below a folder of its own. Unmount with `unmountBelow`, then remove the image.
 */
export async function mountLoopVolume(image: string, folder: string, bytes: number): Promise<void> {
  const tool = mkfs();
  if (tool === undefined) throw new Error('mkfs.ext4 is not installed');
  mkdirSync(dirname(image), { recursive: true });
  const fd = openSync(image, 'wx', 0o600);
  try {
    ftruncateSync(fd, Math.max(bytes, smallestLoopVolume));
  } finally {
    closeSync(fd);
  }
  // No journal: the volume dies with its job. No reserved blocks: the job may be root.
  const options = ['-q', '-F', '-m', '0', '-O', '^has_journal', '-E', 'nodiscard,lazy_itable_init=1', image];
  await run(tool, options, { timeout: 30_000 });
  mkdirSync(folder, { mode: 0o711 });
  await mount(['-o', 'loop,nosuid,nodev,noatime', image, folder]);
  chmodSync(folder, 0o711);
}

/** Whether a file system has so little left that whoever writes to it gets ENOSPC: what is free is never all given. */
export function isNearlyFull(folder: string): boolean {
  const { bavail, bsize, blocks, ffree } = statfsSync(folder);
  return ffree === 0 || bavail * bsize < Math.max(2 ** 20, (blocks * bsize) / 64);
}

const mkfs = () => findProgram('mkfs.ext4', `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`);

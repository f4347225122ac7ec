import { statfsSync } from 'node:fs';

const leastBytes = 64 * 1024;
const mostBytes = 20 * 2 ** 20;

/**
 * Whether a file system has so little left that whoever writes to it gets ENOSPC: what is free is never all given.
 * Source: ext4 keeps back 2 % or 4,096 blocks for itself, whichever is less, and counts them as free.
 */
export function isNearlyFull(path: string): boolean {
  const { bavail, bsize, blocks, ffree } = statfsSync(path);
  return ffree === 0 || bavail * bsize < Math.min(Math.max(leastBytes, (blocks * bsize) / 32), mostBytes);
}

import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';

/** Nothing that an agent uses is left alone for so long: each job marks what it uses. */
const unusedMs = 30 * 24 * 60 * 60 * 1_000;

/** Marks a folder of the cache as used now. */
export function markUsed(folder: string): void {
  const now = new Date();
  unlessErrno(['ENOENT'], () => utimesSync(folder, now, now));
}

/** Removes what an older QEMU, kernel or version of ours has left in a folder of the cache, and halves of killed agents. */
export function removeUnused(folder: string, nowMs: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const usedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
    if (usedMs !== undefined && nowMs - usedMs > unusedMs) rmSync(path, { recursive: true, force: true });
  }
}

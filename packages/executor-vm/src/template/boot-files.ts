import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertRoom } from '../cache-folder.js';
import { initramfsParts, makeInitramfs } from '../guest/initramfs.js';
import { type Kernel, kernelIdentity, plainKernel } from '../guest/kernel.js';
import { guestScripts } from '../guest/scripts.js';
import { removeUnused } from '../unused.js';

/** What machines boot from: both files can be read by anybody. */
export interface BootFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** Names their content. */
  readonly id: string;
}

/** A kernel that is not packed, and the initramfs. */
const bootBytes = 128 * 1024 * 1024;

/** Unpacks the kernel and makes the initramfs, once for each kernel, busybox and version of ours. */
export async function bootFiles(cacheDir: string, kernel: Kernel, busybox: string): Promise<BootFiles> {
  const { size, mtimeMs } = statSync(busybox);
  const parts = [kernelIdentity(kernel), busybox, size, mtimeMs, JSON.stringify(guestScripts), initramfsParts];
  const id = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24);
  const folder = join(cacheDir, 'boot', id);
  const files = { kernel: join(folder, 'kernel'), initramfs: join(folder, 'initramfs'), id };
  if (existsSync(folder)) return files;
  removeUnused(join(cacheDir, 'boot'), Date.now());
  assertRoom(join(cacheDir, 'boot'), bootBytes);
  const fresh = `${folder}.${randomUUID()}`;
  mkdirSync(fresh, { recursive: true, mode: 0o711 });
  try {
    writeFileSync(join(fresh, 'kernel'), await plainKernel(kernel.image), { mode: 0o444 });
    writeFileSync(join(fresh, 'initramfs'), await makeInitramfs(busybox, kernel.modules), { mode: 0o444 });
    moveInto(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return files;
}

/** Another agent may have been faster: then its folder stays, which holds the same. */
export function moveInto(fresh: string, folder: string): void {
  try {
    renameSync(fresh, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}

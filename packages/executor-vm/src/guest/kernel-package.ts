import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf } from '@ritmo/host-linux';
import { unavailable } from '../unavailable.js';
import { findKernel } from './kernel.js';

const unpackMs = 120_000;

/**
 * Keeps the kernel of a package, `path` its archive (.deb) or a folder in which it is unpacked, as `place`. What was
 * there before stays when the package is none.
 * @throws RITMO_USAGE, RITMO_NO_ROOM, RITMO_EXECUTOR_UNAVAILABLE
 */
export async function keepKernelPackage(path: string, place: string): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new RitmoError('RITMO_USAGE', `There is no ${path}.`, { hint: 'Check the path.' });
  const fresh = `${place}.${randomUUID()}`;
  try {
    mkdirSync(fresh, { mode: 0o711 });
    chmodSync(fresh, 0o711);
    if (stat.isDirectory()) await copyKernel(path, fresh);
    else await unpack(path, fresh);
    findKernel(fresh, '', path);
    const old = `${fresh}.old`;
    if (existsSync(place)) renameSync(place, old);
    renameSync(fresh, place);
    rmSync(old, { recursive: true, force: true });
  } catch (error) {
    if (error instanceof RitmoError) throw error;
    throw new RitmoError('RITMO_NO_ROOM', `The kernel of ${path} cannot be kept: ${String(error)}`, {
      hint: `Make room below ${dirname(place)}.`,
      cause: error,
    });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

async function unpack(archive: string, folder: string): Promise<void> {
  try {
    await promisify(execFile)('dpkg-deb', ['-x', archive, folder], { timeout: unpackMs });
  } catch (error) {
    const missing = errnoOf(error) === 'ENOENT';
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw unavailable(
      missing ? 'dpkg-deb, which unpacks packages, is not installed.' : `${archive} cannot be unpacked: ${said}`,
      missing
        ? 'apt-get install dpkg, or unpack the package elsewhere and give the folder.'
        : 'Give a whole kernel package of Debian or Ubuntu, or a folder in which one is unpacked.',
      error,
    );
  }
}

/** The image and its modules, and nothing else of what may be a whole system. */
async function copyKernel(root: string, folder: string): Promise<void> {
  const { image, modules } = findKernel(root, '');
  for (const path of [image, join(modules, 'kernel')]) {
    await cp(path, join(folder, relative(root, path)), { recursive: true, dereference: true });
  }
}

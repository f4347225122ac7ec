import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';
import { unavailable } from '../unavailable.js';
import { decompress } from './decompress.js';

/** A kernel as distributions package it: its image and the folder of its modules (`lib/modules/VERSION`). */
export interface Kernel {
  readonly image: string;
  readonly modules: string;
}

/** linux-image-cloud-amd64 itself is empty: it names the package that has the kernel. */
const installHint =
  'Unpack the kernel package of a distribution (`apt-get download $(apt-cache depends linux-image-cloud-amd64 | grep -o "linux-image-[0-9].*")`, then `ritmo-agent vm prepare ./FILE.deb`), or set `kernel` of the vm executor.';

/**
 * The kernel of machines: what the operator named, else what `vm prepare` unpacked to `unpacked`, else the newest that
 * the host has installed, one for clouds first. `shown` is what an error calls the folder that was named.
 * @throws RITMO_EXECUTOR_UNAVAILABLE
 */
export function findKernel(named: string | Kernel | undefined, unpacked: string, shown?: string): Kernel {
  if (typeof named === 'object') {
    for (const path of [named.image, named.modules]) {
      if (!existsSync(path)) throw unavailable(`There is no ${path}.`, 'Correct `kernel` of the vm executor.');
    }
    return named;
  }
  const found = named === undefined ? [...kernelsIn(unpacked), ...kernelsIn('/')] : kernelsIn(named);
  const [kernel] = found;
  if (kernel !== undefined) return kernel;
  const where = named === undefined ? 'on this host' : `in ${shown ?? named}`;
  throw unavailable(`There is no kernel with its modules ${where}.`, installHint);
}

/** Images below `boot` whose modules are there too; those for clouds first, which are small, then the newest. */
function kernelsIn(root: string): Kernel[] {
  const unreadable = ['ENOENT', 'EACCES', 'ENOTDIR'];
  const names = unlessErrno(unreadable, () => readdirSync(join(root, 'boot'))) ?? [];
  const rank = (name: string) => (name.includes('cloud') ? 1 : 0);
  return names
    .filter((name) => name.startsWith('vmlinuz-'))
    .toSorted((a, b) => rank(b) - rank(a) || b.localeCompare(a, 'en', { numeric: true }))
    .flatMap((name) => {
      const version = name.slice('vmlinuz-'.length);
      const modules = ['lib/modules', 'usr/lib/modules']
        .map((folder) => join(root, folder, version))
        .find((folder) => existsSync(join(folder, 'kernel')));
      return modules === undefined ? [] : [{ image: join(root, 'boot', name), modules }];
    });
}

/** What tells one kernel from another without reading it. */
export function kernelIdentity({ image, modules }: Kernel): string {
  const { size, mtimeMs } = statSync(image);
  return [basename(image), basename(modules), dirname(image), size, mtimeMs].join(' ');
}

/**
 * The kernel without the wrapper that unpacks it at each boot. An image that is no bzImage (the boot protocol's magic
 * at 0x202) is returned as it is.
 */
export async function plainKernel(path: string): Promise<Buffer> {
  const image = readFileSync(path);
  if (image.length < 0x260 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return image;
  const sectors = image[0x1f1] || 4;
  const start = (sectors + 1) * 512 + image.readUInt32LE(0x248);
  const kernel = await decompress(image.subarray(start, start + image.readUInt32LE(0x24c)));
  if (kernel.readUInt32BE(0) !== 0x7f454c46) {
    throw unavailable(
      `${path} is packed in a way that is not known here.`,
      'Use a kernel packed by gzip, xz, zstd or lz4.',
    );
  }
  return kernel;
}

import { readFileSync } from 'node:fs';
import { newcArchive, type ArchiveEntry } from './archive.js';
import { modulesWithNeeds } from './modules.js';
import { guestScripts } from './scripts.js';
import { seedProgram } from './seed-program.js';

/** Loaded before the machine says hello. */
const early = ['virtio_pci', 'virtio_console', 'virtio_blk', 'overlay', 'squashfs', 'ext4'];
/** Loaded in machines with a network alone: the others show no card. */
const late = ['virtio_net'];
const applets = [
  ...['cat', 'chmod', 'chown', 'dd', 'env', 'hostname', 'ifconfig', 'insmod', 'kill', 'ln', 'mkdir', 'mkfifo'],
  ...[
    'mknod',
    'mount',
    'nsenter',
    'poweroff',
    'printf',
    'readlink',
    'rm',
    'rmdir',
    'route',
    'setsid',
    'sh',
    'stat',
    'tar',
  ],
  ...['umount', 'uname', 'usleep', 'xargs', 'xxd'],
];

/** What of it is decided here; with the scripts and the busybox it tells one initramfs from another. */
export const initramfsParts = [...early, ...late, ...applets].join(' ');

/** The first root of a machine: a static busybox, some modules of its kernel, and our scripts. */
export async function makeInitramfs(busybox: string, modules: string): Promise<Buffer> {
  const loaded = await modulesWithNeeds(modules, [...early, ...late]);
  const first = new Set((await modulesWithNeeds(modules, early)).map(({ name }) => name));
  const list = loaded.filter(({ name }) => first.has(name)).map(({ name }) => `${name}\n`);
  const file = (path: string, data: string | Buffer, mode = 0o644): ArchiveEntry => ({
    kind: 'file',
    path,
    mode,
    data: Buffer.from(data),
  });
  return newcArchive([
    ...['bin', 'dev', 'proc', 'sys', 'run', 'modules'].map((path) => ({ kind: 'folder', path }) as const),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'device', path: 'dev/null', major: 1, minor: 3 },
    file('bin/busybox', readFileSync(busybox), 0o755),
    ...applets.map((name) => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' }) as const),
    file('bin/reseed', seedProgram(), 0o755),
    file('init', guestScripts.init, 0o755),
    file('serve', guestScripts.serve),
    file('steps', guestScripts.steps),
    file('launch', guestScripts.launch),
    file('modules/early', list.join('')),
    ...loaded.map(({ name, data }) => file(`modules/${name}.ko`, data)),
  ]);
}

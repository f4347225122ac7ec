import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from './command.js';
import type { Home } from './home.js';

/** The same paths in every job. */
export const inside = {
  workspace: '/workspace',
  home: '/home/build',
  tmp: '/tmp',
  privateDir: '/run/ritmo/private',
  tool: '/run/ritmo/tool',
} as const;

/** Marks each process of a job, for sweeps after a crash and for whoever looks from outside. */
export const markName = 'RITMO_ROOTFS';

/** Top folders that the sandbox has of its own. */
const own = ['workspace', 'home', 'tmp', 'run', 'proc', 'dev', 'sys'];
/** What a tool of the host needs to run. */
const hostFolders = ['usr', 'bin', 'lib', 'lib32', 'lib64', 'sbin', 'etc'];

/** What bubblewrap reads from a descriptor, so that no variable shows on a command line. */
export function confinement(home: Home, command: Command): string[] {
  const { rootfs, hostNetwork, mark } = home.settings;
  const { uid, gid } = home.owner;
  const shown = command.root === 'host' ? topFolders('/', (name) => hostFolders.includes(name)) : [];
  const root = command.root === 'rootfs' ? topFolders(rootfs, (name) => !own.includes(name)) : [];
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(hostNetwork ? [] : ['--unshare-net']),
    ...['--uid', String(uid), '--gid', String(gid), '--cap-drop', 'ALL', '--new-session', '--die-with-parent'],
    ...['--clearenv', '--proc', '/proc', '--dev', '/dev'],
    ...shown,
    ...root,
    ...['--bind', home.folder('tmp'), inside.tmp],
    ...['--bind', home.folder('home'), inside.home],
    ...['--bind', home.folder('workspace'), inside.workspace],
    ...['--ro-bind', home.privateDir, inside.privateDir],
    ...command.shown.flatMap(([source, target]) => ['--ro-bind', source, target]),
    ...['--remount-ro', '/'],
    ...Object.entries({ ...command.env, [markName]: mark }).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

/** Folder by folder, since nothing could be mounted into a root that is read-only. */
function topFolders(root: string, wanted: (name: string) => boolean): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter(({ name }) => wanted(name))
    .flatMap((entry) => {
      const source = join(root, entry.name);
      if (entry.isSymbolicLink()) return ['--symlink', readlinkSync(source), `/${entry.name}`];
      return ['--ro-bind', source, `/${entry.name}`];
    });
}

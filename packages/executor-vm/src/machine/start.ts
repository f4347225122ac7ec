import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { closeSync, existsSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import type { Duplex, Readable } from 'node:stream';
import type { Cgroup, Owner } from '@ritmo/host-linux';
import { descriptors, type MachineShape, machineArgs, machinePaths } from './settings.js';

/** Programs that machines are started with; absolute paths. */
export interface MachineTools {
  readonly qemu: string;
  readonly bubblewrap: string;
}

/** Descriptors of ours that the machine gets. `image` is read only; `disk` the guest writes. What is to be a template has neither. */
export interface MachineFiles {
  readonly image?: number;
  readonly disk?: number;
  readonly memory?: number;
  readonly state?: number;
}

export interface MachineStart {
  readonly tools: MachineTools;
  readonly shape: MachineShape;
  readonly kernel: string;
  readonly initramfs: string;
  readonly files: MachineFiles;
  /** Who QEMU runs as; the agent's own user where absent. */
  readonly user: Owner | undefined;
  /** What bounds and counts it. */
  readonly group: Cgroup | undefined;
  /** argv before that of bubblewrap, which enters the network; there is none where absent. */
  readonly enterNetwork: readonly string[] | undefined;
  /** A node of /dev/kvm that the user may open. */
  readonly kvmNode: string | undefined;
  /** A file to which the machine may save its state. */
  readonly saveTo: string | undefined;
  /** The name server of the network around, as a file. */
  readonly resolver: string | undefined;
  /** `NAME=value` in the environment of all its processes: how strays are found. */
  readonly mark: string;
}

/** The ends of a running machine that are ours. */
export interface MachineProcess {
  readonly child: ChildProcess;
  readonly monitor: Duplex;
  readonly control: Duplex;
  readonly stdout: Duplex;
  readonly stderr: Duplex;
  readonly data: Duplex;
  readonly life: Duplex;
  readonly errors: Readable;
}

const systemFolders = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/nix/store'];
/** Joins the control groups before anything else runs. $1 their descriptors. */
const joinScript = `for fd in $1; do eval "echo 0 >&$fd" || exit 1; done; exec 3>&- 4>&- 5>&- 6>&-; shift; exec "$@"`;

/**
 * Starts QEMU as a user of the job's own, in namespaces where nothing of the host is but its programs: without
 * capabilities, dead when the agent dies, its system calls filtered.
 */
export function startMachine(start: MachineStart): MachineProcess {
  const { tools, shape, files, user, group, mark } = start;
  const joins = (group?.joinFiles ?? []).map((path) => openSync(path, 'w'));
  try {
    const argv = [
      ...['/bin/sh', '-c', joinScript, 'ritmo-vm', joins.map((_, at) => descriptors.firstJoin + at).join(' ')],
      ...(start.enterNetwork ?? []),
      ...[tools.bubblewrap, ...confinement(start), '--', tools.qemu, ...machineArgs(shape)],
    ];
    const at = mark.indexOf('=');
    const child: ChildProcess = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', [mark.slice(0, at)]: mark.slice(at + 1) },
      detached: true,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      stdio: stdioOf(joins, files),
    });
    child.on('error', () => undefined);
    const end = (fd: number) => {
      const stream = child.stdio[fd] as Duplex;
      stream.on('error', () => undefined);
      return stream;
    };
    return {
      child,
      monitor: end(descriptors.monitor),
      control: end(descriptors.control),
      stdout: end(descriptors.stdout),
      stderr: end(descriptors.stderr),
      data: end(descriptors.data),
      life: end(descriptors.life),
      errors: child.stderr as Readable,
    };
  } finally {
    for (const fd of joins) closeSync(fd);
  }
}

/** In the order of `descriptors`. */
function stdioOf(joins: readonly number[], { image, disk, memory, state }: MachineFiles): StdioOptions {
  const ends = Array.from({ length: 6 }, () => 'pipe' as const);
  const groups = [0, 1, 2, 3].map((index) => joins[index] ?? ('ignore' as const));
  const files = [image, disk, memory, state].map((file) => file ?? ('ignore' as const));
  return ['ignore', 'ignore', 'pipe', ...groups, ...ends, ...files];
}

function confinement({
  kernel,
  initramfs,
  enterNetwork,
  kvmNode,
  resolver,
  saveTo,
  mark,
  shape,
}: MachineStart): string[] {
  const at = mark.indexOf('=');
  const keepsKvm = shape.hardware.accelerator === 'kvm';
  return [
    ...['--unshare-user', '--disable-userns', '--unshare-pid', '--unshare-ipc', '--unshare-uts'],
    ...['--unshare-cgroup-try', '--new-session', '--die-with-parent', '--cap-drop', 'ALL', '--clearenv'],
    ...['--setenv', mark.slice(0, at), mark.slice(at + 1)],
    ...(enterNetwork === undefined ? ['--unshare-net'] : []),
    ...systemFolders
      .filter(existsSync)
      .flatMap((path) =>
        lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path],
      ),
    ...[
      '--ro-bind-try',
      '/etc/ld.so.cache',
      '/etc/ld.so.cache',
      '--ro-bind-try',
      '/etc/alternatives',
      '/etc/alternatives',
    ],
    ...(resolver === undefined ? [] : ['--ro-bind', resolver, '/etc/resolv.conf']),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...(keepsKvm ? ['--dev-bind', kvmNode ?? '/dev/kvm', '/dev/kvm'] : []),
    ...['--ro-bind', kernel, machinePaths.kernel, '--ro-bind', initramfs, machinePaths.initramfs],
    ...(saveTo === undefined ? [] : ['--bind', saveTo, machinePaths.state]),
    ...['--chdir', '/tmp'],
  ];
}

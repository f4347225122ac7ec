import { type Clock, type Network, notStarted } from '@ritmo/agent-core/executor';
import { makePlace, type Owner } from '@ritmo/host-linux';
import { lstatSync } from 'node:fs';
import { relative } from 'node:path';
import type { Readable } from 'node:stream';
import { type EtcFolders, jobUserName, sandboxHostname, writeUserFiles } from './etc-folders.js';
import type { JobFolders } from '../job/folders.js';
import { deadlineArgv, type DeadlineTools } from '../confinement/deadline.js';
import { filterDescriptor, starterArgv } from '../confinement/starter.js';
import { isRoot } from '../job/user.js';
import type { Bind } from '../options.js';
import type { CommandShape } from '../step/attempt.js';
import { launcherArgv, type LauncherShell } from '../step/launcher.js';
import type { Started, StartSpec } from '../step/start.js';
import type { ProcessTree } from '../step/tree.js';
import type { InsidePaths, JobView, Level } from './level.js';
import { SandboxTree } from './sandbox-tree.js';
import { systemArgs } from './system-folders.js';

const toolPath = '/run/ritmo/tool';

export const sandboxPaths: InsidePaths = {
  workspace: '/workspace',
  home: `/home/${jobUserName}`,
  tmp: '/tmp',
  privateDir: '/run/ritmo/private',
  tool: () => toolPath,
};

/** Namespaces of its own, no capability, no way to make another user namespace, dead when the agent dies. */
export const confinementArgs: readonly string[] = [
  '--unshare-user',
  '--disable-userns',
  '--unshare-pid',
  '--unshare-ipc',
  '--unshare-uts',
  '--unshare-cgroup-try',
  '--hostname',
  sandboxHostname,
  '--new-session',
  '--die-with-parent',
  '--cap-drop',
  'ALL',
  '--clearenv',
];

export interface SandboxLevelSettings {
  /** Absolute path of bubblewrap. */
  readonly bubblewrap: string;
  /** `source` must be reachable for the user of a job. */
  readonly binds: readonly Bind[];
  readonly allowHostNetwork: boolean;
  readonly isolatedNetwork: boolean;
  /** What builds see of /etc. */
  readonly etc: EtcFolders;
  /** The file of the system call filter. */
  readonly filter: string;
  /** Whether builds must yield to the agent by their niceness, since no control group weighs them. */
  readonly yielding: boolean;
  readonly deadline: DeadlineTools;
  readonly shell: LauncherShell;
  readonly clock: Clock;
}

/** The sandbox level: bubblewrap, started as the job's user. */
export class SandboxLevel implements Level {
  readonly name = 'sandbox';
  readonly networks: readonly Network[];
  readonly #settings: SandboxLevelSettings;
  readonly #system: readonly string[];

  constructor(settings: SandboxLevelSettings) {
    this.#settings = settings;
    this.networks = [
      ...(settings.isolatedNetwork ? (['isolated'] as const) : []),
      'none',
      ...(settings.allowHostNetwork ? (['host'] as const) : []),
    ];
    this.#system = systemArgs();
  }

  describe(network: Network): string {
    const user = isRoot() ? 'a user of its own' : "the agent's user, in namespaces of its own";
    return `process sandbox: bubblewrap, ${user}, network ${network}`;
  }

  inside(): InsidePaths {
    return sandboxPaths;
  }

  prepareFolders(folders: JobFolders, user: Owner): void {
    writeUserFiles(folders.etc, user, sandboxPaths.home);
  }

  place(job: JobView): void {
    for (const { source, target = source } of this.#settings.binds) {
      const path = relative(sandboxPaths.workspace, target);
      if (path.startsWith('..')) continue;
      // Made here, by descriptor: bubblewrap would follow a link that the job has put into the way.
      try {
        makePlace(job.folders.workspace, path, lstatSync(source).isDirectory() ? 'folder' : 'file', ownerOf(job));
      } catch (error) {
        throw notStarted(
          `${target}, which the operator binds from the worker, cannot be put into the workspace.`,
          'The workspace holds something else under that name; remove it.',
          error,
        );
      }
    }
  }

  startSpec(job: JobView, shape: CommandShape): StartSpec {
    const { filter, yielding, deadline, bubblewrap, shell, binds, etc } = this.#settings;
    const argv = starterArgv(job.group?.joinFiles.length ?? 0, filter, yielding, [
      ...(job.privateNetwork?.enter() ?? []),
      ...deadlineArgv(deadline, job.leftMs),
      bubblewrap,
      ...confinementArgs,
      ...(job.network === 'none' ? ['--unshare-net'] : []),
      // In the namespace that holds the network it is root that enters.
      ...['--uid', String(job.user.uid), '--gid', String(job.user.gid)],
      ...this.#system,
      ...etc.args(job.folders.etc, job.network),
      ...['--proc', '/proc', '--dev', '/dev'],
      ...(job.shmBytes === undefined ? [] : ['--size', String(job.shmBytes), '--perms', '1777', '--tmpfs', '/dev/shm']),
      ...['--symlink', '../tmp', '/var/tmp', '--symlink', '../run', '/var/run'],
      ...['--bind', job.folders.tmp, sandboxPaths.tmp],
      ...['--bind', job.folders.home, sandboxPaths.home],
      ...['--bind', job.folders.workspace, sandboxPaths.workspace],
      ...['--ro-bind', job.folders.privateDir, sandboxPaths.privateDir],
      ...binds.flatMap(bindArgs),
      ...shape.readOnlyPaths.flatMap(({ source, target }) => ['--ro-bind', source, target]),
      ...(shape.toolFolder === undefined ? [] : ['--ro-bind', shape.toolFolder, toolPath]),
      ...['--remount-ro', '/'],
      ...Object.entries(markEnvironment(job.mark)).flatMap(([name, value]) => ['--setenv', name, value]),
      ...['--json-status-fd', '5', '--seccomp', filterDescriptor, '--'],
      ...launcherArgv(shell, true),
    ]);
    return {
      file: argv[0] ?? '/bin/sh',
      args: argv.slice(1),
      env: markEnvironment(job.mark),
      writable: job.group?.joinFiles ?? [],
      ...(isRoot() ? { user: job.user } : {}),
    };
  }

  tree(_job: JobView, started: Started, status: Readable): ProcessTree {
    return new SandboxTree(started, status, this.#settings.clock);
  }
}

function bindArgs({ source, target = source, access }: Bind): string[] {
  return [access === 'read-only' ? '--ro-bind' : '--bind', source, target];
}

const ownerOf = (job: JobView) => (isRoot() ? job.user : undefined);

/** The mark as an environment. */
export function markEnvironment(mark: string): Record<string, string> {
  const at = mark.indexOf('=');
  return { [mark.slice(0, at)]: mark.slice(at + 1) };
}

import { existsSync, lstatSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { type Clock, type LimitName, type Network, notStarted } from '@ritmo/agent-core/executor';
import { makePlace, unlessErrno } from '@ritmo/host-linux';
import type { JobFolders } from '../job/folders.js';
import { timeoutArgv } from '../confinement/deadline.js';
import { starterArgv } from '../confinement/starter.js';
import { isRoot } from '../job/user.js';
import type { Bind } from '../options.js';
import { launcherArgv, type LauncherShell } from '../step/launcher.js';
import type { Started, StartSpec } from '../step/start.js';
import type { ProcessTree } from '../step/tree.js';
import { BareTree } from './bare-tree.js';
import type { InsidePaths, JobView, Level } from './level.js';
import { markEnvironment, sandboxPaths } from './sandbox-level.js';

export interface BareLevelSettings {
  readonly binds: readonly Bind[];
  /** Absolute path of setpriv: keeps a job from gaining rights by setuid programs. Undefined where there is none. */
  readonly setpriv: string | undefined;
  /** Absolute path of timeout: ends a job at its deadline without the agent. Undefined where there is none. */
  readonly timeout: string | undefined;
  /** What control groups bound here. */
  readonly limits: readonly LimitName[];
  readonly shell: LauncherShell;
  readonly clock: Clock;
}

/** The bare level: a process group of its own and, when the agent is root, a user of its own. No namespace. */
export class BareLevel implements Level {
  readonly name = 'bare';
  readonly networks = ['host'] as const satisfies readonly Network[];
  readonly #settings: BareLevelSettings;

  constructor(settings: BareLevelSettings) {
    this.#settings = settings;
  }

  describe(): string {
    const { limits, timeout } = this.#settings;
    const user = isRoot() ? 'a user of its own' : "the agent's user, whose files it can read and write";
    const unlimited = (['memory', 'cpu', 'pids', 'disk'] as const).filter((name) => !limits.includes(name));
    const deadline = timeout === undefined ? '; without the agent it has no deadline' : '';
    return `bare process: ${user}, network host; no namespaces, it sees the files and processes of the host; no limits of ${unlimited.join(', ')}${deadline}`;
  }

  inside(folders: JobFolders): InsidePaths {
    return { ...folders, tool: (folder) => folder };
  }

  prepareFolders(): void {
    // /etc is the host's own.
  }

  /** What the sandbox would bind into the workspace is a link here; what lies elsewhere is there already. */
  place(job: JobView): void {
    for (const { source, target = source } of this.#settings.binds) {
      const path = relative(sandboxPaths.workspace, target);
      if (path.startsWith('..')) continue;
      const link = join(job.folders.workspace, path);
      if (unlessErrno(['ENOENT', 'EINVAL'], () => readlinkSync(link)) === source) continue;
      makePlace(job.folders.workspace, dirname(path), 'folder', isRoot() ? job.user : undefined);
      if (unlessErrno(['ENOENT'], () => lstatSync(link)) !== undefined) {
        throw notStarted(
          `${target}, which the operator binds from the worker, cannot be put into the workspace.`,
          'The workspace holds something else under that name; remove it.',
        );
      }
      symlinkSync(source, link);
    }
  }

  startSpec(job: JobView): StartSpec {
    const { setpriv, timeout, shell, limits } = this.#settings;
    const argv = starterArgv(job.group?.joinFiles.length ?? 0, undefined, !limits.includes('cpu'), [
      ...(timeout === undefined ? [] : timeoutArgv(timeout, job.leftMs)),
      ...(setpriv === undefined ? [] : [setpriv, '--no-new-privs', '--']),
      ...launcherArgv(shell, false),
    ]);
    return {
      file: argv[0] ?? '/bin/sh',
      args: argv.slice(1),
      env: markEnvironment(job.mark),
      writable: job.group?.joinFiles ?? [],
      ...(isRoot() ? { user: job.user } : {}),
    };
  }

  tree(job: JobView, started: Started, status: Readable): ProcessTree {
    // Nothing is told of what has no sandbox.
    status.resume();
    return new BareTree(job, started, this.#settings.timeout !== undefined, this.#settings.clock);
  }
}

/** Binds that only a mount namespace could give: their target is neither their source nor in the workspace. */
export function impossibleBare(binds: readonly Bind[]): Bind[] {
  return binds.filter(
    ({ source, target = source }) =>
      target !== source && (relative(sandboxPaths.workspace, target).startsWith('..') || !existsSync(source)),
  );
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { RitmoError } from '@ritmo/agent-core/executor';
import { findProgram, inheritedDescriptors } from '@ritmo/host-linux';
import { type DeadlineTools, findDeadlineTools } from './confinement/deadline.js';
import { isRoot } from './job/user.js';
import type { Bind, ResolvedOptions } from './options.js';
import type { LauncherShell } from './step/launcher.js';
import { impossibleBare } from './level/bare-level.js';

const run = promisify(execFile);
const oldestBubblewrap = [0, 8] as const;
const searchPath = () => `${process.env['PATH'] ?? ''}:/usr/local/bin:/usr/bin:/bin`;

export interface Bubblewrap {
  readonly path: string;
  readonly version: string;
}

/** The error of a host that cannot do what the options demand. */
export function unavailable(message: string, hint: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', message, { hint, ...(cause === undefined ? {} : { cause }) });
}

/** Finds bubblewrap, 0.8 or newer: older ones cannot keep a job from making user namespaces of its own. */
export async function requireBubblewrap(path = searchPath()): Promise<Bubblewrap> {
  if (process.platform !== 'linux') {
    throw unavailable(
      `The sandbox level of the process executor needs Linux; this is ${process.platform}.`,
      'Use another isolation, or the level `bare`, which confines next to nothing.',
    );
  }
  const file = findProgram('bwrap', path);
  if (file === undefined) {
    throw unavailable(
      'bubblewrap (bwrap) is not installed.',
      'Install bubblewrap 0.8 or newer: `apt-get install bubblewrap`, `dnf install bubblewrap`, `apk add bubblewrap`.',
    );
  }
  const version = await versionOf(file);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major === 0 && minor < oldestBubblewrap[1]) {
    throw unavailable(`bubblewrap ${version} is too old.`, 'Install bubblewrap 0.8 or newer.');
  }
  return { path: file, version };
}

async function versionOf(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return /(\d+\.\d+(?:\.\d+)?)/.exec(stdout)?.[1] ?? '0.0';
  } catch (error) {
    throw unavailable(`${path} does not run.`, 'Install bubblewrap again.', error);
  }
}

/**
 * The shell of launchers. The POSIX one closes descriptors up to 9 only: where the agent was started with higher ones,
 * it must be bash.
 */
export function requireShell(): LauncherShell {
  const closes = inheritedDescriptors();
  if (closes.every((fd) => fd < 10)) return { argv: ['/bin/sh'], closes };
  const bash = ['/bin/bash', '/usr/bin/bash'].find(existsSync);
  if (bash === undefined) {
    throw unavailable(
      `The agent was started with the open descriptor ${closes.join(', ')}, which builds must not have.`,
      'Start the agent without it, or install bash, which can close it.',
    );
  }
  return { argv: [bash, '--posix'], closes };
}

/** Finds what ends a sandbox at its deadline without the agent. */
export function requireDeadlineTools(): DeadlineTools {
  const tools = findDeadlineTools(searchPath());
  if (tools !== undefined) return tools;
  throw unavailable(
    'timeout or setpriv is not installed.',
    'Install coreutils and util-linux: `apt-get install coreutils util-linux`.',
  );
}

/** What ends a bare job at its deadline; undefined where there is none, as on macOS. */
export const findTimeout = (): string | undefined => findProgram('timeout', searchPath());

/** Finds setpriv, which root needs at the bare level to keep jobs from setuid programs. */
export function requireSetpriv(): string | undefined {
  const path = process.platform === 'linux' ? findProgram('setpriv', searchPath()) : undefined;
  if (path === undefined && isRoot() && process.platform === 'linux') {
    throw unavailable('setpriv is not installed.', 'Install util-linux: `apt-get install util-linux`.');
  }
  return path;
}

/** The bare level cannot mount: a bind elsewhere than at its own path or in the workspace cannot be had. */
export function assertBareOptions(options: ResolvedOptions): void {
  const [impossible] = impossibleBare(options.binds);
  if (impossible === undefined) return;
  throw unavailable(
    `The bare level cannot show ${impossible.source} at ${placeOf(impossible)}.`,
    'Leave out `target`, put it below /workspace, or use the sandbox level.',
  );
}

const placeOf = ({ source, target = source }: Bind) => target;

/** What mends the words with which bubblewrap failed. */
export function remedyOf(said: string): string {
  if (/Can't find source path|Can't (get type|bind mount)/.test(said) && /Permission denied/.test(said)) {
    return 'The user of a job must be able to walk to the state folder: chmod o+x on the folders above it.';
  }
  if (/mount proc|proc on/.test(said)) {
    return 'In a container, /proc must not be masked: start it with `--security-opt systempaths=unconfined`, or use the level `bare`.';
  }
  if (/namespace|uid map|clone|Operation not permitted|user\.max_user_namespaces/.test(said)) {
    return 'User namespaces are closed here. Open them: `sysctl user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1`; on Ubuntu 24.04 also `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile for bwrap; in a container `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`.';
  }
  return 'Run the command of the message by hand to see more, or use the level `bare`, which confines next to nothing.';
}

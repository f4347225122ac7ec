import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import { type Executor, type ExecutorHost, RitmoError } from '@ritmo/agent-core/executor';
import {
  type Cgroups,
  type MemoryFolder,
  Networks,
  openCgroups,
  openInstanceFolder,
  openMemoryFolder,
  removeInstanceFolder,
  tryLoopVolume,
  UserPool,
} from '@ritmo/host-linux';
import { seccompFilter } from './confinement/seccomp.js';
import type { DiskKind } from './disk/job-disk.js';
import { isRoot } from './job/user.js';
import { BareLevel } from './level/bare-level.js';
import { EtcFolders } from './level/etc-folders.js';
import type { Level } from './level/level.js';
import { SandboxLevel } from './level/sandbox-level.js';
import { isReachable, SharedPaths } from './mounts/shared-paths.js';
import type { Bind, ResolvedOptions } from './options.js';
import { ProcessExecutor } from './process-executor.js';
import {
  assertBareOptions,
  findTimeout,
  requireBubblewrap,
  requireDeadlineTools,
  requireSetpriv,
  requireShell,
  unavailable,
} from './requirements.js';
import { PipePool } from './step/pipes.js';

const memoryBytes = 256 * 1024 * 1024;

/** Opens the executor, or rejects with RITMO_EXECUTOR_UNAVAILABLE naming what this host lacks. */
export async function openProcessExecutor(options: ResolvedOptions, host: ExecutorHost): Promise<Executor> {
  const sandboxes = openSandboxesFolder(options, host);
  const instance = await openInstanceFolder(join(host.stateDir, 'run'));
  const users = new UserPool(options.uidBase);
  let memory: MemoryFolder | undefined;
  let cgroups: Cgroups | undefined;
  let networks: Networks | undefined;
  try {
    const shared = new SharedPaths(join(instance, 'shared'), options.level === 'sandbox' && isRoot());
    const user = { uid: options.uidBase, gid: options.uidBase };
    // At the bare level a job that is the agent's user could leave its group.
    cgroups = options.level === 'sandbox' || isRoot() ? openCgroups(`ritmo-${ownerHash(host)}`, user) : undefined;
    const [tried, disks] = await Promise.allSettled([
      options.level === 'sandbox' ? Networks.tryOut(instance, user) : undefined,
      disksOf(options, instance),
    ]);
    const network = settled(tried);
    networks = network instanceof Networks ? network : undefined;
    const disk = settled(disks);
    const isolatedNetwork = networks !== undefined;
    const { level, facts } = await openLevel({ options, host, shared, instance, cgroups, isolatedNetwork });
    memory = await openMemoryFolder({ path: join(host.stateDir, 'memory'), maxBytes: memoryBytes });
    const executor = new ProcessExecutor({
      host,
      options,
      sandboxes,
      memory,
      instance,
      shared,
      users,
      cgroups,
      networks,
      disk: disk.kind,
      facts: {
        ...facts,
        secretsIn: memory.kind,
        cgroup: cgroups === undefined ? 'none' : `v${cgroups.version}`,
        ...networkFacts(network),
        disk: disk.kind,
        ...(disk.why !== undefined && { noLoopDisk: disk.why }),
      },
      commands: {
        level,
        pipes: new PipePool(join(instance, 'pipes')),
        clock: host.clock,
      },
    });
    if (options.level === 'sandbox') await executor.tryOut();
    return executor;
  } catch (error) {
    await memory?.[Symbol.asyncDispose]();
    await networks?.[Symbol.asyncDispose]();
    cgroups?.close();
    await users[Symbol.asyncDispose]();
    await removeInstanceFolder(instance);
    throw error;
  }
}

/** How the disk of jobs is bounded here; `why` tells what stands in the way of a file system of its own. */
async function disksOf(
  { level, diskLimit }: ResolvedOptions,
  instance: string,
): Promise<{ kind: DiskKind; why?: string }> {
  if (level === 'bare') return { kind: 'watch' };
  if (diskLimit === 'watch') return { kind: 'watch', why: 'the operator has chosen so' };
  const why = await tryLoopVolume(join(instance, 'trial'));
  return why === undefined ? { kind: 'loop' } : { kind: 'watch', why };
}

function openSandboxesFolder({ workspaceRoot, uidBase }: ResolvedOptions, host: ExecutorHost): string {
  // A root that the operator named may be shared with other agents.
  const owner = ownerHash(host);
  const folder = join(workspaceRoot === undefined ? host.stateDir : join(workspaceRoot, `ritmo-${owner}`), 'sandboxes');
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  for (const made of workspaceRoot === undefined ? [folder] : [dirname(folder), folder]) chmodSync(made, 0o711);
  for (const path of [join(folder, 'any'), join(host.stateDir, 'any')]) {
    if (isReachable(path, { uid: uidBase, gid: uidBase })) continue;
    throw unavailable(
      `The users of jobs cannot walk to ${dirname(path)}.`,
      `Let others pass: chmod o+x on the folders above ${dirname(path)}, or choose another state folder.`,
    );
  }
  return folder;
}

function settled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

const ownerHash = ({ ownerId }: ExecutorHost) => createHash('sha256').update(ownerId).digest('hex').slice(0, 16);

interface LevelParts {
  readonly options: ResolvedOptions;
  readonly host: ExecutorHost;
  readonly shared: SharedPaths;
  readonly instance: string;
  readonly cgroups: Cgroups | undefined;
  readonly isolatedNetwork: boolean;
}

function networkFacts(network: Networks | { readonly why: string } | undefined): Record<string, string> {
  if (network === undefined) return {};
  if (!(network instanceof Networks)) return { noIsolatedNetwork: network.why };
  return { hostClosedBy: network.guarded ? 'routes and packet filter' : 'routes' };
}

async function openLevel({
  options,
  host: { clock },
  shared,
  instance,
  cgroups,
  isolatedNetwork,
}: LevelParts): Promise<{ level: Level; facts: Record<string, string | boolean> }> {
  for (const { source } of options.binds) {
    if (!existsSync(source))
      throw unavailable(
        `There is no ${source} to bind.`,
        'Correct --bind or --tool-path, or `binds` of the process executor.',
      );
  }
  const shell = requireShell();
  if (options.level === 'bare') {
    assertBareOptions(options);
    const setpriv = requireSetpriv();
    const timeout = findTimeout();
    const limits = cgroups?.limits ?? [];
    const level = new BareLevel({ binds: options.binds, setpriv, timeout, limits, shell, clock });
    return { level, facts: { level: 'bare', noNewPrivileges: setpriv !== undefined, deadline: timeout !== undefined } };
  }
  const bubblewrap = await requireBubblewrap();
  const level = new SandboxLevel({
    bubblewrap: bubblewrap.path,
    binds: await reachableBinds(options, shared),
    allowHostNetwork: options.allowHostNetwork,
    isolatedNetwork,
    etc: new EtcFolders(join(instance, 'etc')),
    filter: writeFilter(instance),
    yielding: cgroups?.limits.includes('cpu') !== true,
    deadline: requireDeadlineTools(),
    shell,
    clock,
  });
  return { level, facts: { level: 'sandbox', bubblewrap: bubblewrap.version } };
}

/** The system call filter as a file that the users of jobs can read. */
function writeFilter(instance: string): string {
  const filter = seccompFilter(process.arch);
  if (filter === undefined) {
    throw unavailable(`There is no system call filter for ${process.arch}.`, 'Use x64 or arm64, or the level `bare`.');
  }
  const path = join(instance, 'seccomp.bpf');
  writeFileSync(path, filter, { mode: 0o644 });
  chmodSync(path, 0o644);
  return path;
}

async function reachableBinds({ binds, uidBase }: ResolvedOptions, shared: SharedPaths): Promise<Bind[]> {
  const user = { uid: uidBase, gid: uidBase };
  return await Promise.all(
    binds.map(async (bind) => {
      const target = bind.target ?? bind.source;
      if (bind.access === 'read-write' && !isReachable(bind.source, user)) {
        throw unavailable(
          `The users of jobs cannot walk to ${bind.source}.`,
          `Let others pass: chmod o+x on the folders above ${bind.source}.`,
        );
      }
      try {
        const { paths } = await shared.reach([bind.source], user);
        return { ...bind, target, source: paths[0]?.source ?? bind.source };
      } catch (error) {
        const { message, hint } = RitmoError.from(error);
        throw unavailable(message, hint, error);
      }
    }),
  );
}

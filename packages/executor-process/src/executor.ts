import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import { type Executor, type ExecutorHost, RitmoError } from '@ritmo/agent-core/executor';
import { type MemoryFolder, openMemoryFolder, UserPool } from '@ritmo/host-linux';
import { openInstanceFolder, removeInstanceFolder } from './instance-folder.js';
import { isRoot } from './job/user.js';
import { BareLevel } from './level/bare-level.js';
import type { Level } from './level/level.js';
import { SandboxLevel } from './level/sandbox-level.js';
import { isReachable, SharedPaths } from './mounts/shared-paths.js';
import type { Bind, ResolvedOptions } from './options.js';
import { ProcessExecutor } from './process-executor.js';
import { assertBareOptions, requireBubblewrap, requireSetpriv, requireShell, unavailable } from './requirements.js';
import { PipePool } from './step/pipes.js';

const memoryBytes = 256 * 1024 * 1024;

/** Opens the executor, or rejects with RITMO_EXECUTOR_UNAVAILABLE naming what this host lacks. */
export async function openProcessExecutor(options: ResolvedOptions, host: ExecutorHost): Promise<Executor> {
  const sandboxes = openSandboxesFolder(options, host);
  const instance = await openInstanceFolder(join(host.stateDir, 'run'));
  const users = new UserPool(options.uidBase);
  let memory: MemoryFolder | undefined;
  try {
    const shared = new SharedPaths(join(instance, 'shared'), options.level === 'sandbox' && isRoot());
    const { level, facts } = await openLevel(options, host, shared);
    memory = await openMemoryFolder({ path: join(host.stateDir, 'memory'), maxBytes: memoryBytes });
    const executor = new ProcessExecutor({
      host,
      options,
      sandboxes,
      memory,
      instance,
      shared,
      users,
      facts: { ...facts, secretsIn: memory.kind },
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
    await users[Symbol.asyncDispose]();
    await removeInstanceFolder(instance);
    throw error;
  }
}

function openSandboxesFolder({ workspaceRoot, uidBase }: ResolvedOptions, host: ExecutorHost): string {
  // A root that the operator named may be shared with other agents.
  const owner = createHash('sha256').update(host.ownerId).digest('hex').slice(0, 16);
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

async function openLevel(
  options: ResolvedOptions,
  { clock }: ExecutorHost,
  shared: SharedPaths,
): Promise<{ level: Level; facts: Record<string, string | boolean> }> {
  for (const { source } of options.binds) {
    if (!existsSync(source))
      throw unavailable(`There is no ${source} to bind.`, 'Correct `binds` of the process executor.');
  }
  const shell = requireShell();
  if (options.level === 'bare') {
    assertBareOptions(options);
    const setpriv = requireSetpriv();
    const level = new BareLevel({ binds: options.binds, setpriv, shell, clock });
    return { level, facts: { level: 'bare', noNewPrivileges: setpriv !== undefined } };
  }
  const bubblewrap = await requireBubblewrap();
  const level = new SandboxLevel({
    bubblewrap: bubblewrap.path,
    binds: await reachableBinds(options, shared),
    allowHostNetwork: options.allowHostNetwork,
    shell,
    clock,
  });
  return { level, facts: { level: 'sandbox', bubblewrap: bubblewrap.version } };
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

import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Executor, ExecutorHost } from '@ritmo/agent-core/executor';
import {
  type Cgroups,
  type MemoryFolder,
  Networks,
  openCgroups,
  openInstanceFolder,
  openMemoryFolder,
  removeInstanceFolder,
  UserPool,
} from '@ritmo/host-linux';
import { chooseAccelerator } from './accelerator/choose.js';
import { openCache } from './cache-folder.js';
import { findKernel } from './guest/kernel.js';
import { helperUsers } from './helper-users.js';
import { Images } from './image/images.js';
import { markOf } from './job/job-host.js';
import type { MachineHost } from './machine/factory.js';
import type { ResolvedOptions } from './options.js';
import { requireTools } from './requirements.js';
import { bootFiles } from './template/boot-files.js';
import { Templates } from './template/templates.js';
import { VmExecutor } from './vm-executor.js';

const memoryBytes = 64 * 1024 * 1024;

/** Opens the executor, or rejects with RITMO_EXECUTOR_UNAVAILABLE naming what is missing and what mends it. */
export async function openVmExecutor(options: ResolvedOptions, host: ExecutorHost): Promise<Executor> {
  const tools = await requireTools();
  const cacheDir = openCache(options);
  const boot = await bootFiles(cacheDir, findKernel(options.kernel, join(cacheDir, 'kernel')), tools.busybox);
  const sandboxes = openSandboxesFolder(options, host);
  const instance = await openInstanceFolder(join(host.stateDir, 'run'));
  const users = new UserPool(options.uidBase);
  const mark = markOf(host.ownerId, 'helper');
  let memory: MemoryFolder | undefined;
  let cgroups: Cgroups | undefined;
  let networks: Networks | undefined;
  let templates: Templates | undefined;
  const withUser = helperUsers(users, instance);
  try {
    const owner = { uid: options.uidBase, gid: options.uidBase };
    cgroups = openCgroups(`ritmo-vm-${ownerHash(host)}`, owner);
    const network = await Networks.tryOut(instance, owner);
    networks = network instanceof Networks ? network : undefined;
    const machines: MachineHost = { tools, boot, qemuIdentity: tools.qemuIdentity };
    const chosen = await chooseAccelerator({
      host: machines,
      cacheDir,
      instance,
      wanted: options.accelerator,
      withUser,
      mark,
    });
    templates = new Templates({
      host: machines,
      cacheDir,
      bootTimeoutMs: options.bootTimeoutMs,
      mark,
      log: host.log,
      withUser,
    });
    memory = await openMemoryFolder({ path: join(host.stateDir, 'memory'), maxBytes: memoryBytes });
    return new VmExecutor({
      jobs: {
        clock: host.clock,
        log: host.log,
        options,
        ownerId: host.ownerId,
        machines,
        mke2fs: tools.mke2fs,
        accelerator: chosen.accelerator,
        acceleratorWhy: chosen.why,
        templates,
        images: new Images({
          options,
          cacheDir,
          squash: tools.squash === undefined ? undefined : { tools: tools.squash, mark },
          withUser,
        }),
        users,
        cgroups,
        networks,
      },
      sandboxes,
      instance,
      memory,
      cacheDir,
      facts: {
        qemu: tools.qemuVersion,
        accelerator: chosen.accelerator,
        acceleratorWhy: chosen.why,
        cacheDir,
        images: tools.squash !== undefined,
        secretsIn: memory.kind,
        cgroup: cgroups === undefined ? 'none' : `v${cgroups.version}`,
        ...(network instanceof Networks ? {} : { noIsolatedNetwork: network.why }),
      },
    });
  } catch (error) {
    await memory?.[Symbol.asyncDispose]();
    await templates?.[Symbol.asyncDispose]();
    await networks?.[Symbol.asyncDispose]();
    cgroups?.close();
    await users[Symbol.asyncDispose]();
    await removeInstanceFolder(instance);
    throw error;
  }
}

function openSandboxesFolder({ workspaceRoot }: ResolvedOptions, host: ExecutorHost): string {
  // A root that the operator named may be shared with other agents.
  const folder = join(
    workspaceRoot === undefined ? host.stateDir : join(workspaceRoot, `ritmo-${ownerHash(host)}`),
    'sandboxes',
  );
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  for (const made of workspaceRoot === undefined ? [folder] : [dirname(folder), folder]) chmodSync(made, 0o711);
  return folder;
}

const ownerHash = ({ ownerId }: ExecutorHost) => createHash('sha256').update(ownerId).digest('hex').slice(0, 16);

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHash, randomUUID } from 'node:crypto';
import {
  type Executor,
  type ExecutorCapabilities,
  type ExecutorHost,
  type ImageRequest,
  RitmoError,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';
import { openMemoryFolder, tryLoopVolume, UserPool } from '@ritmo/host-linux';
import { type Daemon, findDaemon } from './docker/address.js';
import { DockerExecutor } from './docker-executor.js';
import { Images } from './image/images.js';
import type { DiskKind } from './job/disk.js';
import { openHostTools } from './job/host-tools.js';
import type { JobHost } from './job/job-host.js';
import { JobUsers } from './job/users.js';
import { Networks } from './network/networks.js';
import type { ResolvedOptions } from './options.js';
import { tryOut } from './trial.js';

const memoryBytes = 256 * 1024 * 1024;

/** Opens the executor, or rejects with RITMO_EXECUTOR_UNAVAILABLE naming what is missing and what mends it. */
export async function openDockerExecutor(options: ResolvedOptions, host: ExecutorHost): Promise<Executor> {
  if (process.platform !== 'linux') {
    throw new RitmoError(
      'RITMO_EXECUTOR_UNAVAILABLE',
      `The docker executor needs Linux; this is ${process.platform}.`,
      {
        hint: 'Run the agent in a Linux machine beside its Docker daemon.',
      },
    );
  }
  const daemon = await findDaemon(options.address);
  const { client } = daemon;
  const sandboxes = openSandboxesFolder(options, host);
  const pool = new UserPool(options.uidBase);
  const memory = await openMemoryFolder({ path: join(host.stateDir, 'memory'), maxBytes: memoryBytes });
  let networks: Networks | string = '';
  try {
    networks = await Networks.open({ docker: client, owner: host.ownerId, addressRange: options.addressRange });
    const noVolumes =
      options.diskLimit === 'watch'
        ? 'the operator has chosen so'
        : await tryLoopVolume(join(sandboxes, `trial-${randomUUID()}`));
    const diskKind = noVolumes === undefined ? 'volume' : 'watched';
    const jobs: JobHost = {
      docker: client,
      clock: host.clock,
      log: host.log,
      options,
      ownerId: host.ownerId,
      images: new Images(client, daemon.info, options, host.clock),
      users: new JobUsers(client, pool),
      tools: await openHostTools(client),
      diskKind,
      networks: typeof networks === 'string' ? undefined : networks,
      imageOf: (request) => imageOf(request, options),
    };
    await tryOut(jobs, memory.path);
    const warnings = [
      ...(typeof networks === 'string'
        ? [`Networks are not offered: ${networks}. Run the agent as root, with nftables: apt-get install nftables.`]
        : []),
      ...(noVolumes === undefined || options.diskLimit === 'watch'
        ? []
        : [
            `Disk limits are watched for and not held: ${noVolumes}. A build can use more for some seconds before it is ended. Run the agent as root: apt-get install e2fsprogs.`,
          ]),
      ...(memory.mayReachDisk ? ['Secrets of jobs may reach a disk: turn swap off, or run the agent as root.'] : []),
    ];
    return new DockerExecutor({
      daemon,
      jobs,
      capabilities: capabilitiesOf(daemon, options, jobs.networks !== undefined),
      sandboxes,
      memory,
      pool,
      facts: factsOf(daemon, memory.kind, diskKind),
      warnings,
    });
  } catch (error) {
    if (typeof networks !== 'string') await networks.close();
    await memory[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
    throw error;
  }
}

function openSandboxesFolder({ workspaceRoot }: ResolvedOptions, host: ExecutorHost): string {
  // A root that the operator named may be shared with other agents.
  const owner = createHash('sha256').update(host.ownerId).digest('hex').slice(0, 16);
  const folder = join(workspaceRoot === undefined ? host.stateDir : join(workspaceRoot, `ritmo-${owner}`), 'sandboxes');
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  for (const made of workspaceRoot === undefined ? [folder] : [dirname(folder), folder]) chmodSync(made, 0o711);
  return folder;
}

function capabilitiesOf({ info }: Daemon, options: ResolvedOptions, bridges: boolean): ExecutorCapabilities {
  const arch = info.architecture === 'amd64' || info.architecture === 'x86_64' ? 'x64' : 'arm64';
  return {
    isolation: 'container',
    defaultNetwork: bridges ? 'isolated' : 'none',
    images: true,
    services: bridges,
    network: [
      ...(bridges ? (['isolated'] as const) : []),
      'none',
      ...(options.allowHostNetwork ? (['host'] as const) : []),
    ],
    limits: ['cpu', 'memory', 'pids', 'disk'],
    os: ['linux'],
    arch: [arch],
    separateStderr: true,
    recover: true,
  };
}

function factsOf({ address, info }: Daemon, secretsIn: string, diskLimit: DiskKind) {
  return {
    address,
    version: info.version,
    apiVersion: info.apiVersion,
    storageDriver: info.storageDriver,
    cgroupVersion: info.cgroupVersion,
    rootless: info.rootless,
    diskLimit,
    fifoWay: true,
    secretsIn,
  };
}

function imageOf({ image }: SandboxRequest, { defaultImage }: ResolvedOptions): ImageRequest {
  if (image !== undefined) return image;
  if (defaultImage !== undefined) return { reference: defaultImage, pull: ['if-not-present'] };
  throw new RitmoError('RITMO_IMAGE_INVALID', 'The job names no image, and this worker has no default.', {
    hint: 'Write `image:` into the job, or set `defaultImage` of the docker executor.',
  });
}

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import {
  type Executor,
  type ExecutorHost,
  type ImageRequest,
  RitmoError,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';
import { openMemoryFolder, UserPool } from '@ritmo/host-linux';
import { findDaemon } from './docker/address.js';
import { asRitmoError } from './docker/error.js';
import { DockerExecutor } from './docker-executor.js';
import { Images } from './image/images.js';
import { openHostTools } from './job/host-tools.js';
import { JobUsers } from './job/users.js';
import type { ResolvedOptions } from './options.js';
import { openWay } from './way/open-way.js';

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
  try {
    const images = new Images(client, daemon.info, options, host.clock);
    const imageOf = (request: SandboxRequest) => imageFor(request, options);
    const users = new JobUsers(client, pool, options.uidBase);
    const tools = await openHostTools(client);
    const opened = await openWay({ daemon, options, host, sandboxes, memory, pool, images, users, tools, imageOf });
    const { clock, log } = host;
    return new DockerExecutor({ daemon, clock, log, images, imageOf, sweepMs: options.sweepMs, ...opened });
  } catch (error) {
    await memory[Symbol.asyncDispose]();
    await pool[Symbol.asyncDispose]();
    throw asRitmoError(error);
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

function imageFor({ image }: SandboxRequest, { defaultImage }: ResolvedOptions): ImageRequest {
  if (image !== undefined) return image;
  if (defaultImage !== undefined) return { reference: defaultImage, pull: ['if-not-present'] };
  throw new RitmoError('RITMO_IMAGE_INVALID', 'The job names no image, and this worker has no default.', {
    hint: 'Write `image:` into the job, or set `defaultImage` of the docker executor.',
  });
}

import { type ExecutorHost, RitmoError } from '@ritmo/agent-core/executor';
import type { MemoryFolder, UserPool } from '@ritmo/host-linux';
import type { Daemon } from '../docker/address.js';
import type { Images } from '../image/images.js';
import type { HostTools } from '../job/host-tools.js';
import type { ImageOf } from '../job/job-host.js';
import type { JobUsers } from '../job/users.js';
import type { OpenedWay } from '../opened.js';
import type { ResolvedOptions } from '../options.js';
import { openFifoWay } from './fifo/open-fifo-way.js';
import { openRemoteWay } from './remote/open-remote-way.js';
import { whyNotShared } from './try-ways.js';

/** What both ways are made of. */
export interface OpeningHost {
  readonly daemon: Daemon;
  readonly options: ResolvedOptions;
  readonly host: ExecutorHost;
  readonly sandboxes: string;
  readonly memory: MemoryFolder;
  readonly pool: UserPool;
  readonly images: Images;
  readonly users: JobUsers;
  readonly tools: HostTools;
  readonly imageOf: ImageOf;
}

/**
 * The way that works here, found by trying: over FIFOs where daemon and agent share a file system, else over the
 * daemon's API alone. Rejects with RITMO_EXECUTOR_UNAVAILABLE where none does, or not the one that was asked for.
 */
export async function openWay(opening: OpeningHost): Promise<OpenedWay> {
  const { daemon, options, host, tools, memory } = opening;
  if (options.way === 'remote') return await openRemoteWay(opening, 'the option `way` says so');
  const trial = { docker: daemon.client, ownerId: host.ownerId, image: tools.image, folder: memory.path };
  const why = await whyNotShared(trial);
  if (why !== undefined && options.way === 'fifo') {
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The way over FIFOs does not work: ${why}.`, {
      hint: 'Leave out `way` of the docker executor, or run the agent on the host of the daemon.',
    });
  }
  if (why !== undefined) return await openRemoteWay(opening, why);
  try {
    return await openFifoWay(opening);
  } catch (error) {
    if (options.way === 'fifo') throw error;
    const { message } = RitmoError.from(error);
    // What keeps both from working is told as the better one has it.
    return await openRemoteWay(opening, message.replace(/\.$/, '')).catch(() => {
      throw error;
    });
  }
}

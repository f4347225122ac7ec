import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { tryLoopVolume } from '@ritmo/host-linux';
import type { JobHost } from '../../job/job-host.js';
import { Networks } from '../../network/networks.js';
import { capabilitiesOf, factsOf, type OpenedWay } from '../../opened.js';
import { tryOut } from '../../trial.js';
import type { OpeningHost } from '../open-way.js';
import { FifoWay } from './fifo-way.js';

/** Tries the way over FIFOs in folders that daemon and agent share. Rejects with RITMO_EXECUTOR_UNAVAILABLE. */
export async function openFifoWay(opening: OpeningHost): Promise<OpenedWay> {
  const { daemon, options, host, sandboxes, memory, pool, images, users, tools, imageOf } = opening;
  const tried = await tryOut(
    { docker: daemon.client, clock: host.clock, log: host.log, tools, ownerId: host.ownerId },
    memory.path,
  );
  const networks = await Networks.open(
    { docker: daemon.client, engine: daemon.info.engine, owner: host.ownerId, addressRange: options.addressRange },
    tried.sameNetwork,
  );
  try {
    const noVolumes =
      options.diskLimit === 'watch'
        ? 'the operator has chosen so'
        : await tryLoopVolume(join(sandboxes, `trial-${randomUUID()}`));
    const diskKind = noVolumes === undefined ? 'volume' : 'watched';
    const jobs: JobHost = {
      docker: daemon.client,
      engine: daemon.info.engine,
      clock: host.clock,
      log: host.log,
      options,
      ownerId: host.ownerId,
      images,
      users,
      tools,
      diskKind,
      networks: typeof networks === 'string' ? undefined : networks,
      imageOf,
    };
    const offered = { bridges: typeof networks !== 'string', disk: true, recover: true };
    return {
      way: new FifoWay({ jobs, sandboxes, memory, pool }),
      capabilities: capabilitiesOf(daemon, options, offered),
      facts: { ...factsOf(daemon), way: 'fifo', fifoWay: true, diskLimit: diskKind, secretsIn: memory.kind },
      warnings: [
        ...(typeof networks === 'string' ? [`Networks are not offered: ${networks}`] : []),
        ...(noVolumes === undefined || options.diskLimit === 'watch'
          ? []
          : [
              `Disk limits are watched for and not held: ${noVolumes}. A build can use more for some seconds before it is ended. Run the agent as root: apt-get install e2fsprogs.`,
            ]),
        ...(memory.mayReachDisk ? ['Secrets of jobs may reach a disk: turn swap off, or run the agent as root.'] : []),
      ],
    };
  } catch (error) {
    if (typeof networks !== 'string') await networks.close();
    throw error;
  }
}

import type { WorkerInfo, WorkerStatus } from '@ritmo/protocol';
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, loadavg, platform, arch, totalmem } from 'node:os';

/** What registration says of this machine; `folder` decides whose disk is meant. */
export async function hostInfo(folder: string): Promise<WorkerInfo['host']> {
  const disk = await statfs(folder);
  return {
    os: platform(),
    arch: arch(),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: disk.blocks * disk.bsize,
  };
}

/** Load of this machine as heartbeats carry it: memory and load as shares of the whole, from 0 to 1 (load: above). */
export function hostLoad(): WorkerStatus['host'] {
  return {
    memory: 1 - freemem() / totalmem(),
    load: (loadavg()[0] ?? 0) / availableParallelism(),
  };
}

import type { WorkerInfo } from '@ritmo/protocol';
import { statfs } from 'node:fs/promises';
import { arch, availableParallelism, platform, totalmem } from 'node:os';

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

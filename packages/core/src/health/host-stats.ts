import { formatSize, type WorkerStatus } from '@ritmo/protocol';
import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';

export interface DiskSpace {
  readonly totalBytes: number;
  /** What this user may still write. */
  readonly freeBytes: number;
}

/** Space of the file system that holds `folder`. */
export async function diskSpace(folder: string): Promise<DiskSpace> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

/** A measured size in words, rounded down to whole MiB. */
export function roundSize(bytes: number): string {
  return formatSize(Math.floor(bytes / 1024 ** 2) * 1024 ** 2);
}

/** Share of the CPUs that was busy since the last look, from 0 to 1. */
export class CpuShare {
  #before = times();

  look(): number {
    const now = times();
    const total = now.total - this.#before.total;
    const idle = now.idle - this.#before.idle;
    // Within one tick of the kernel nothing can be told.
    if (total <= 0) return 0;
    this.#before = now;
    return Math.min(1, Math.max(0, 1 - idle / total));
  }
}

function times(): { readonly idle: number; readonly total: number } {
  let idle = 0;
  let total = 0;
  for (const { times: spent } of cpus()) {
    idle += spent.idle;
    total += spent.user + spent.nice + spent.sys + spent.idle + spent.irq;
  }
  return { idle, total };
}

/** Use of this machine as heartbeats carry it: shares of the whole, from 0 to 1 (load for each CPU: above). */
export function hostUse(cpu: number, disk: DiskSpace | undefined): WorkerStatus['host'] {
  return {
    cpu,
    memory: 1 - freemem() / totalmem(),
    load: (loadavg()[0] ?? 0) / availableParallelism(),
    ...(disk && disk.totalBytes > 0 && { disk: 1 - disk.freeBytes / disk.totalBytes }),
  };
}

import { RitmoError } from '@ritmo/agent-core/executor';
import type { Cgroup } from '@ritmo/host-linux';
import type { Hardware } from '../machine/settings.js';
import type { JobHost } from './job-host.js';

const mebibyte = 1024 * 1024;
/** What QEMU itself takes beside the memory of the machine. */
const overheadBytes = 256 * mebibyte;
const machineThreads = 256;

/**
 * The control group of a machine; undefined where this host has none for us.
 * @throws RITMO_EXECUTOR_UNSUPPORTED for limits that the kernel does not accept.
 */
export function machineGroup(
  { cgroups }: Pick<JobHost, 'cgroups'>,
  id: string,
  hardware: Hardware,
  cpus: number | undefined,
): Cgroup | undefined {
  try {
    return cgroups?.create(id, {
      memoryBytes: hardware.memoryMiB * mebibyte + overheadBytes,
      pids: machineThreads,
      ...(cpus === undefined ? {} : { cpus }),
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The limits of the job are not accepted here: ${said}.`, {
      cause: error,
    });
  }
}

import type { ExecutorCapabilities, SandboxRequest } from '@ritmo/agent-core/executor';
import { type LimitNames, notOffered, refuseUndeclared } from '@ritmo/host-linux';
import { leastDiskBytes } from './job/disk.js';

const limitNames: LimitNames = {
  cpus: 'cpu',
  memoryBytes: 'memory',
  pids: 'pids',
  diskBytes: 'disk',
  tmpBytes: 'disk',
  shmBytes: 'memory',
};

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first thing that the request asks for and a machine cannot give. */
export function refuseUnsupported(request: SandboxRequest, capabilities: ExecutorCapabilities): void {
  const { limits } = request;
  refuseUndeclared('vm', request, capabilities, limitNames);
  if (limits.tmpBytes !== undefined)
    throw notOffered('vm', 'a size of its own for /tmp', 'Use `limits.disk`, which /tmp counts for.');
  if (limits.diskBytes !== undefined && limits.diskBytes < leastDiskBytes)
    throw notOffered('vm', 'disks of less than 16 MiB', 'Raise `limits.disk`.');
}

import type { ExecutorCapabilities, ResourceLimits, SandboxRequest } from '@ritmo/agent-core/executor';
import { type LimitNames, notOffered, refuseUndeclared } from '@ritmo/host-linux';

const limitNames: LimitNames = {
  cpus: 'cpu',
  memoryBytes: 'memory',
  pids: 'pids',
  diskBytes: 'disk',
  tmpBytes: 'disk',
  shmBytes: 'disk',
};

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first thing that the request asks for and the executor does not declare. */
export function refuseUnsupported(
  request: SandboxRequest,
  capabilities: ExecutorCapabilities,
  { bare, leastDiskBytes }: { readonly bare: boolean; readonly leastDiskBytes: number },
): void {
  const { limits, image, profile } = request;
  if (image !== undefined) throw notOffered('process', 'images', 'Leave out `image:`, or use docker.');
  refuseUndeclared('process', request, capabilities, limitNames);
  if (limits.diskBytes !== undefined && limits.diskBytes < leastDiskBytes) {
    throw notOffered('process', `a disk of less than ${leastDiskBytes / 2 ** 20} MiB`, 'Ask for more.');
  }
  if (bare && profile === 'hardened') throw notOffered('process', 'the profile hardened', 'Use the sandbox level.');
}

/** What of a job is bounded, for its log. */
export function limitsInWords(limits: ResourceLimits): string {
  const asked = Object.entries(limitNames).filter(([limit]) => limits[limit as keyof ResourceLimits] !== undefined);
  const names = [...new Set(asked.map(([, name]) => name))];
  return names.length === 0 ? '; no limits asked for' : `; limited: ${names.join(', ')}`;
}

import {
  type ExecutorCapabilities,
  type LimitName,
  type ResourceLimits,
  RitmoError,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';
import { leastDiskBytes } from './job/disk.js';

const limitNames = {
  cpus: 'cpu',
  memoryBytes: 'memory',
  pids: 'pids',
  diskBytes: 'disk',
  tmpBytes: 'disk',
  shmBytes: 'memory',
} as const satisfies Record<keyof ResourceLimits, LimitName>;

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first thing that the request asks for and a machine cannot give. */
export function refuseUnsupported(request: SandboxRequest, capabilities: ExecutorCapabilities): void {
  const { network, limits, services, slot } = request;
  if (services.length > 0) throw unsupported('services', 'Leave out `services:`, or use docker.');
  if (!capabilities.network.includes(network)) {
    throw unsupported(`network ${network}`, `This worker offers: ${capabilities.network.join(', ')}.`);
  }
  for (const [limit, name] of Object.entries(limitNames)) {
    if (limits[limit as keyof ResourceLimits] === undefined || capabilities.limits.includes(name)) continue;
    throw unsupported(`a limit on ${name}`, `Leave it out of \`limits:\`; \`ritmo-agent doctor\` says what it needs.`);
  }
  if (limits.tmpBytes !== undefined)
    throw unsupported('a size of its own for /tmp', 'Use `limits.disk`, which /tmp counts for.');
  if (limits.diskBytes !== undefined && limits.diskBytes < leastDiskBytes)
    throw unsupported('disks of less than 16 MiB', 'Raise `limits.disk`.');
  if (!Number.isSafeInteger(slot) || slot < 0) throw new RitmoError('RITMO_INTERNAL', `${slot} is no slot.`);
}

function unsupported(what: string, hint: string): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The vm executor does not offer ${what}.`, { hint });
}

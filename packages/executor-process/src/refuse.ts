import {
  type ExecutorCapabilities,
  type LimitName,
  type ResourceLimits,
  RitmoError,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';

const limitNames = {
  cpus: 'cpu',
  memoryBytes: 'memory',
  pids: 'pids',
  diskBytes: 'disk',
  tmpBytes: 'disk',
  shmBytes: 'disk',
} as const satisfies Record<keyof ResourceLimits, LimitName>;

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first thing that the request asks for and the executor does not declare. */
export function refuseUnsupported(
  request: SandboxRequest,
  capabilities: ExecutorCapabilities,
  { bare, leastDiskBytes }: { readonly bare: boolean; readonly leastDiskBytes: number },
): void {
  const { network, limits, image, services, profile, slot } = request;
  if (image !== undefined) throw unsupported('images', 'Leave out `image:`, or use docker.');
  if (services.length > 0) throw unsupported('services', 'Leave out `services:`, or use docker.');
  if (!capabilities.network.includes(network)) {
    throw unsupported(`network ${network}`, `This worker offers: ${capabilities.network.join(', ')}.`);
  }
  for (const [limit, name] of Object.entries(limitNames)) {
    if (limits[limit as keyof ResourceLimits] === undefined || capabilities.limits.includes(name)) continue;
    throw unsupported(`a limit on ${name}`, `Leave it out of \`limits:\`; \`ritmo-agent doctor\` says what it needs.`);
  }
  if (limits.diskBytes !== undefined && limits.diskBytes < leastDiskBytes) {
    throw unsupported(`a disk of less than ${leastDiskBytes / 2 ** 20} MiB`, 'Ask for more.');
  }
  if (bare && profile === 'hardened') throw unsupported('the profile hardened', 'Use the sandbox level.');
  if (!Number.isSafeInteger(slot) || slot < 0) throw new RitmoError('RITMO_INTERNAL', `${slot} is no slot.`);
}

/** What of a job is bounded, for its log. */
export function limitsInWords(limits: ResourceLimits): string {
  const asked = Object.entries(limitNames).filter(([limit]) => limits[limit as keyof ResourceLimits] !== undefined);
  const names = [...new Set(asked.map(([, name]) => name))];
  return names.length === 0 ? '; no limits asked for' : `; limited: ${names.join(', ')}`;
}

function unsupported(what: string, hint: string): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The process executor does not offer ${what}.`, { hint });
}

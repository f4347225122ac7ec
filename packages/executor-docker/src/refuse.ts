import { type ExecutorCapabilities, isSandboxId, RitmoError, type SandboxRequest } from '@ritmo/agent-core/executor';
import { smallestLoopVolume } from '@ritmo/host-linux';
import type { DaemonInfo } from './docker/client.js';

/** The least that the daemon takes. */
const leastMemory = 6 * 2 ** 20;

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first thing that the request asks for and cannot have here. */
export function refuseUnsupported(
  request: SandboxRequest,
  capabilities: ExecutorCapabilities,
  daemon: DaemonInfo,
): void {
  const { network, limits, services, slot, sandboxId } = request;
  if (!isSandboxId(sandboxId)) throw new RitmoError('RITMO_INTERNAL', `"${sandboxId}" is no sandbox id.`);
  if (!Number.isSafeInteger(slot) || slot < 0) throw new RitmoError('RITMO_INTERNAL', `${slot} is no slot.`);
  if (!capabilities.network.includes(network)) {
    throw unsupported(`network ${network}`, `This worker offers: ${capabilities.network.join(', ')}.`);
  }
  if (services.length > 0 && !capabilities.services) {
    throw unsupported(
      'services',
      'It needs rules that close the host to them; `ritmo-agent doctor` says what is missing.',
    );
  }
  if (services.length > 0 && network === 'host') {
    throw unsupported('services under network host', 'Use `network: isolated`.');
  }
  for (const { limits: each, what } of [
    { limits, what: 'a job' },
    ...services.map((service) => ({ limits: service.limits, what: `the service ${service.name}` })),
  ]) {
    const { memoryBytes, cpus } = each;
    if (memoryBytes !== undefined && memoryBytes > daemon.memoryBytes) {
      const most = Math.floor(daemon.memoryBytes / 2 ** 20);
      throw unsupported(`${Math.ceil(memoryBytes / 2 ** 20)} MiB of memory for ${what}`, `The worker has ${most} MiB.`);
    }
    if (memoryBytes !== undefined && memoryBytes < leastMemory)
      throw unsupported(`less than 6 MiB of memory for ${what}`, 'Ask for more.');
    if (cpus !== undefined && cpus > daemon.cpus) {
      throw unsupported(`${cpus} processors for ${what}`, `The worker has ${daemon.cpus}.`);
    }
  }
  if (services.some((service) => service.limits.diskBytes !== undefined)) {
    throw unsupported('a disk limit for a service', 'Set it for the job.');
  }
  if (limits.diskBytes !== undefined) {
    if (!capabilities.limits.includes('disk'))
      throw unsupported(
        'a limit of disk',
        'Leave out `limits: { disk }`, or let the agent run on the host of the daemon.',
      );
    if (limits.diskBytes < smallestLoopVolume)
      throw unsupported(`a disk of less than ${smallestLoopVolume / 2 ** 20} MiB`, 'Ask for more.');
  }
}

function unsupported(what: string, hint: string): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `This docker executor does not offer ${what}.`, { hint });
}

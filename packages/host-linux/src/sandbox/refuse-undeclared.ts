import {
  type ExecutorCapabilities,
  type LimitName,
  type ResourceLimits,
  RitmoError,
  type SandboxRequest,
} from '@ritmo/agent-core/executor';

/** Under which declared limit an executor counts each of those that jobs can set. */
export type LimitNames = Readonly<Record<keyof ResourceLimits, LimitName>>;

/** The error of what an executor is asked for and does not offer: RITMO_EXECUTOR_UNSUPPORTED. */
export function notOffered(executor: string, what: string, hint: string): RitmoError {
  return new RitmoError('RITMO_EXECUTOR_UNSUPPORTED', `The ${executor} executor does not offer ${what}.`, { hint });
}

/** Throws RITMO_EXECUTOR_UNSUPPORTED for the first service, network or limit that is asked for and was not declared. */
export function refuseUndeclared(
  executor: string,
  { network, limits, services, slot }: SandboxRequest,
  capabilities: ExecutorCapabilities,
  limitNames: LimitNames,
): void {
  if (services.length > 0 && !capabilities.services)
    throw notOffered(executor, 'services', 'Leave out `services:`, or use docker.');
  if (!capabilities.network.includes(network)) {
    throw notOffered(executor, `network ${network}`, `This worker offers: ${capabilities.network.join(', ')}.`);
  }
  for (const [limit, name] of Object.entries(limitNames)) {
    if (limits[limit as keyof ResourceLimits] === undefined || capabilities.limits.includes(name)) continue;
    const hint = `Leave it out of \`limits:\`; \`ritmo-agent doctor\` says what it needs.`;
    throw notOffered(executor, `a limit on ${name}`, hint);
  }
  if (!Number.isSafeInteger(slot) || slot < 0) throw new RitmoError('RITMO_INTERNAL', `${slot} is no slot.`);
}

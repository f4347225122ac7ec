import type { Job } from '@ritmo/protocol';
import type { StoredInfo } from '../store/workers.js';

/** What a job asks of a worker. */
export interface Needs {
  readonly version: number;
  readonly isolation: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: 'isolated' | 'none' | 'host' | undefined;
  readonly limits: readonly ('cpu' | 'memory' | 'pids' | 'disk')[];
  readonly image: boolean;
  readonly services: boolean;
}

const limitNames = { cpus: 'cpu', memory: 'memory', pids: 'pids', disk: 'disk' } as const;

export function needsOf(job: Job): Needs {
  const asked = Object.entries(limitNames).filter(([key]) => job.limits[key as keyof typeof limitNames] !== undefined);
  return {
    version: job.version,
    isolation: job.isolation,
    labels: job.labels,
    network: job.network,
    limits: asked.map(([, name]) => name),
    image: job.image !== undefined,
    services: Object.keys(job.services).length > 0,
  };
}

/** Why a worker of this kind can never run the job as it is; empty when it can. */
export function misfits(needs: Needs, worker: StoredInfo): string[] {
  const reasons: string[] = [];
  if (!worker.jobVersions.includes(needs.version)) reasons.push(`knows no job version ${needs.version}`);
  for (const [key, value] of Object.entries(needs.labels)) {
    const own = Object.hasOwn(worker.labels, key) ? worker.labels[key] : undefined;
    if (own !== value)
      reasons.push(own === undefined ? `has no label ${key}=${value}` : `has label ${key}=${own}, not ${value}`);
  }
  const offers = worker.isolation;
  const offer =
    needs.isolation === undefined
      ? offers.find((one) => one.default)
      : offers.find((one) => one.name === needs.isolation);
  if (!offer)
    return [
      ...reasons,
      needs.isolation === undefined ? 'has no default isolation' : `does not run isolation ${needs.isolation}`,
    ];
  const { capabilities, name } = offer;
  if (needs.network !== undefined && !capabilities.network.includes(needs.network))
    reasons.push(`${name} has no network ${needs.network}`);
  for (const limit of needs.limits)
    if (!capabilities.limits.includes(limit)) reasons.push(`${name} cannot limit ${limit}`);
  if (needs.image && !capabilities.images) reasons.push(`${name} runs no images`);
  if (needs.services && !capabilities.services) reasons.push(`${name} runs no services`);
  return reasons;
}

import type { Job, JobLimits } from '@ritmo/protocol';
import { formatSize } from '@ritmo/protocol';
import picomatch from 'picomatch';
import type { AgentPolicy } from '../agent/options.js';
import { RitmoError } from '../errors.js';
import type { Executor, ExecutorCapabilities } from '../executor/plugin.js';
import type { LimitName, Network, ResourceLimits } from '../executor/request.js';

/** What was chosen for a job, before anything of it was made. */
export interface Admission {
  readonly executor: Executor;
  readonly network: Network;
  readonly limits: ResourceLimits;
}

/**
 * Chooses the executor and checks that it declares all that the job asks, within the operator's policy.
 * @throws RITMO_ISOLATION_NOT_ENABLED, RITMO_EXECUTOR_UNSUPPORTED, RITMO_POLICY_REFUSED
 */
export function admit(job: Job, executors: readonly Executor[], policy: AgentPolicy): Admission {
  const executor = job.isolation ? executors.find(({ name }) => name === job.isolation) : executors[0];
  if (!executor) {
    const enabled = executors.map(({ name }) => name).join(', ');
    throw new RitmoError(
      'RITMO_ISOLATION_NOT_ENABLED',
      `The job wants isolation ${JSON.stringify(job.isolation)}; this worker runs ${enabled}.`,
    );
  }
  const limits = limitsOf(job, policy);
  const network = job.network ?? executor.capabilities.defaultNetwork;
  checkCapabilities(job, executor, network, limits);
  checkPolicy(job, policy, limits);
  return { executor, network, limits };
}

function checkCapabilities(job: Job, executor: Executor, network: Network, limits: ResourceLimits): void {
  const { capabilities } = executor;
  const refuse = (what: string): never => {
    throw new RitmoError(
      'RITMO_EXECUTOR_UNSUPPORTED',
      `The ${executor.name} executor of this worker cannot give ${what}.`,
    );
  };
  if (!capabilities.network.includes(network)) {
    const can = capabilities.network.join(' or ') || 'none';
    refuse(`network ${network}; it can give ${can}`);
  }
  if (job.image && !capabilities.images) refuse('an image; leave `image:` out or choose another isolation');
  if (Object.keys(job.services).length > 0 && !capabilities.services) refuse('services');
  for (const name of limitNames(limits)) if (!can(capabilities, name)) refuse(`a limit on ${name}`);
}

const can = (capabilities: ExecutorCapabilities, name: LimitName) => capabilities.limits.includes(name);

/** The limits that an executor must declare for these values; /tmp and shm are memory or disk of the sandbox. */
function limitNames(limits: ResourceLimits): ReadonlySet<LimitName> {
  const names = new Set<LimitName>();
  if (limits.cpus !== undefined) names.add('cpu');
  if (limits.memoryBytes !== undefined) names.add('memory');
  if (limits.pids !== undefined) names.add('pids');
  if (limits.diskBytes !== undefined || limits.tmpBytes !== undefined || limits.shmBytes !== undefined)
    names.add('disk');
  return names;
}

function checkPolicy(job: Job, policy: AgentPolicy, limits: ResourceLimits): void {
  const images = [job.image, ...Object.values(job.services).map((service) => service.image)];
  for (const image of images) {
    if (!image || !policy.allowedImages) continue;
    if (!policy.allowedImages.some((glob) => picomatch.isMatch(image.reference, glob))) {
      throw new RitmoError('RITMO_POLICY_REFUSED', `The image ${image.reference} is not allowed on this worker.`);
    }
  }
  for (const [key, most] of Object.entries(policy.maxLimits ?? {}) as [keyof ResourceLimits, number][]) {
    const asked = limits[key];
    if (asked !== undefined && asked > most) {
      const words = (value: number) => (key.endsWith('Bytes') ? formatSize(value) : String(value));
      throw new RitmoError(
        'RITMO_POLICY_REFUSED',
        `The job asks for ${words(asked)} of ${key.replace('Bytes', '')}; this worker gives ${words(most)} at most.`,
      );
    }
  }
}

/** What a job may use: as it asks, else as the operator says. */
export function limitsOf(job: Job, policy: AgentPolicy): ResourceLimits {
  return { ...policy.defaultLimits, ...resourceLimits(job.limits) };
}

/** Limits as the wire spells them, as the contract does. */
export function resourceLimits(limits: JobLimits): ResourceLimits {
  return {
    ...(limits.cpus !== undefined && { cpus: limits.cpus }),
    ...(limits.memory !== undefined && { memoryBytes: limits.memory }),
    ...(limits.disk !== undefined && { diskBytes: limits.disk }),
    ...(limits.pids !== undefined && { pids: limits.pids }),
    ...(limits.tmp !== undefined && { tmpBytes: limits.tmp }),
    ...(limits.shm !== undefined && { shmBytes: limits.shm }),
  };
}

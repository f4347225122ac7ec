import type { Job } from '@ritmo/protocol';
import { randomUUID } from 'node:crypto';
import type { ImageRequest, SandboxRequest, ServiceRequest } from '../executor/request.js';
import type { Admission } from './admission.js';
import { resourceLimits } from './admission.js';
import type { BuildSecrets } from './secrets.js';
import { cleanupMs } from './steps.js';

/** What the request is made of, beside the job. */
export interface RequestParts {
  readonly lease: { readonly jobId: string; readonly epoch: number };
  readonly slot: number;
  readonly admission: Admission;
  readonly secrets: BuildSecrets;
}

/** All that a job asks of its executor. */
export function sandboxRequest(job: Job, { lease, slot, admission, secrets }: RequestParts): SandboxRequest {
  return {
    jobId: lease.jobId,
    epoch: lease.epoch,
    sandboxId: randomUUID(),
    slot,
    ...(job.image && { image: imageRequest(job.image, secrets) }),
    services: Object.entries(job.services).map(([name, service]) => serviceRequest(name, service, secrets)),
    network: admission.network,
    limits: admission.limits,
    profile: job.profile,
    deadlineMs: job.timeout + cleanupMs + job.grace,
    onLost: job.onLost,
    steps: job.steps.length,
  };
}

function imageRequest(image: NonNullable<Job['image']>, secrets: BuildSecrets): ImageRequest {
  const pair = image.auth === undefined ? undefined : secrets.get(image.auth);
  const split = pair?.indexOf(':') ?? -1;
  return {
    reference: image.reference,
    pull: image.pull,
    ...(pair !== undefined &&
      split >= 0 && { auth: { username: pair.slice(0, split), password: pair.slice(split + 1) } }),
  };
}

function serviceRequest(name: string, service: Job['services'][string], secrets: BuildSecrets): ServiceRequest {
  const { ready } = service;
  return {
    name,
    image: imageRequest(service.image, secrets),
    env: service.env,
    ...(service.command && { command: service.command }),
    limits: resourceLimits(service.limits),
    workspace: service.workspace,
    ...(ready && {
      ready: {
        timeoutMs: ready.timeout,
        ...(ready.command && { command: ready.command }),
        ...(ready.tcp !== undefined && { tcpPort: ready.tcp }),
      },
    }),
  };
}

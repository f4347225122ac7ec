import { ApiError, fenced } from '../errors.js';
import type { Worker } from '../workers/directory.js';
import type { Identity } from './auth.js';
import type { Services } from './services.js';

/** The worker of a call with a worker token, which must be about itself. */
export function callingWorker(services: Services, identity: Identity, workerId: string): Worker {
  if (identity.role !== 'worker') throw forbidden('worker');
  if (identity.workerId !== workerId) throw new ApiError('RITMO_FORBIDDEN', 'The token is of another worker.');
  return services.registry.present(workerId, identity.instanceId);
}

/** Checks a call with a job token: it is of this job and epoch, and its worker instance was not superseded. */
export function checkJobCall(services: Services, identity: Identity, jobId: string, epoch: number): void {
  if (identity.role !== 'job') throw forbidden('job');
  if (identity.jobId !== jobId) throw new ApiError('RITMO_FORBIDDEN', 'The token is of another job.');
  if (identity.epoch !== epoch) throw fenced(jobId, epoch);
  // A worker that deregistered has no instance to compare; its epochs are fenced or provisional by themselves.
  if (services.directory.get(identity.workerId)) services.registry.present(identity.workerId, identity.instanceId);
}

function forbidden(role: string): ApiError {
  return new ApiError('RITMO_FORBIDDEN', `The call takes a ${role} token.`);
}

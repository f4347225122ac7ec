import { RitmoError } from '../errors.js';
import type { ApiCall, ApiClient } from './api-client.js';
import { untilAnswered } from './retry.js';
import { refusalError, type Settled } from './server-answer.js';
import type { Lease } from './transport.js';

/** A call with a job token. `path` goes on after `/v1/jobs/{id}`. */
export type JobCall<T> = Omit<ApiCall<T>, 'token'>;

/**
 * Calls for one lease. Our 401 on a job token and our 404 or 410 on the job say the same as RITMO_FENCED: the job is
 * over, so that is the code of all of them.
 */
export class JobCalls {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Rejects with RITMO_FENCED where the job is over; other refusals are for the caller. */
  async settle<T>(lease: Lease, call: JobCall<T>, signal: AbortSignal): Promise<Settled<T>> {
    return this.settleEach(lease, () => Promise.resolve(call), signal);
  }

  /** As `settle`, with a call that is made anew for each try. */
  async settleEach<T>(lease: Lease, make: () => Promise<JobCall<T>>, signal: AbortSignal): Promise<Settled<T>> {
    const attempt = async () => {
      const call = await make();
      const path = `/v1/jobs/${encodeURIComponent(lease.jobId)}${call.path}`;
      return this.#api.attempt({ ...call, path, token: lease.token }, signal);
    };
    const settled = await untilAnswered(attempt, this.#api, signal);
    if (settled.kind === 'refused' && isOver(settled.status, settled.error.code)) throw over(lease, settled);
    return settled;
  }

  async call<T>(lease: Lease, call: JobCall<T>, signal: AbortSignal): Promise<T> {
    const settled = await this.settle(lease, call, signal);
    if (settled.kind === 'refused') throw refusalError(settled.status, settled.error);
    return settled.value;
  }
}

export function isOver(status: number, code: string): boolean {
  return status === 401 || status === 404 || status === 410 || code === 'RITMO_FENCED';
}

export function over(lease: Lease, refused: Extract<Settled<unknown>, { kind: 'refused' }>): RitmoError {
  const cause = refusalError(refused.status, refused.error);
  if (cause.code === 'RITMO_FENCED') return cause;
  return new RitmoError('RITMO_FENCED', `Attempt ${lease.epoch} of job ${lease.jobId} is over: ${cause.message}`, {
    cause,
  });
}

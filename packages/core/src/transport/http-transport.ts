import {
  type Adoption,
  type AdoptionRequest,
  type AppendAnswer,
  adoptionAnswer,
  type ClaimRequest,
  empty,
  type HeartbeatAnswer,
  heartbeatAnswer,
  type JobResult,
  type Offer,
  type Registration,
  type Seal,
  type WorkerEvent,
  type WorkerInfo,
  type WorkerPatch,
  type WorkerStatus,
} from '@ritmo/protocol';
import { systemClock } from '../clock.js';
import { silentLogger } from '../logger.js';
import { parseAddress } from './address.js';
import { ApiClient } from './api-client.js';
import { ArtifactCalls } from './artifact-calls.js';
import { rawClaimAnswer, sortOffers, type UnreadableOffer } from './claim-answer.js';
import { EventStream } from './event-stream.js';
import { checkHttpOptions, type HttpTransportOptions } from './http-options.js';
import { JobCalls } from './job-calls.js';
import { LogCalls } from './log-calls.js';
import { refusalError } from './server-answer.js';
import type { ArtifactTransport, Lease, ReleaseCause, Transport } from './transport.js';
import { WorkerSession } from './worker-session.js';

/** Beyond the time that a held call may take by itself. */
const slackMs = 15_000;
/** An offer that cannot be read here may fit another worker; this one should not get it again at once. */
const unreadableRetryMs = 60_000;

/**
 * The worker API over HTTP. Repeats by itself what may be repeated (worker-api: retries); says in the agent's log once
 * when the server is away and once when it is back. Throws RITMO_INSECURE_URL or RITMO_USAGE for a bad address
 * or a token that cannot be one.
 */
export class HttpTransport implements Transport {
  /** `http`. */
  readonly name = 'http';
  readonly artifacts: ArtifactTransport;
  readonly #api: ApiClient;
  readonly #session: WorkerSession;
  readonly #jobs: JobCalls;
  readonly #log: LogCalls;
  readonly #events: EventStream;
  /** Settles when the last change of the worker is told, or given up. */
  #updates: Promise<unknown> = Promise.resolve();

  constructor(options: HttpTransportOptions) {
    checkHttpOptions(options);
    this.#api = new ApiClient({
      address: parseAddress(options.apiServer, options.insecure),
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      log: options.log ?? silentLogger,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.cert === undefined ? {} : { cert: options.cert }),
      ...(options.key === undefined ? {} : { key: options.key }),
    });
    this.#session = new WorkerSession(this.#api, options.registrationToken);
    this.#jobs = new JobCalls(this.#api);
    this.#log = new LogCalls(this.#api, this.#jobs);
    this.#events = new EventStream(this.#api, this.#session);
    this.artifacts = new ArtifactCalls(this.#api, this.#jobs);
  }

  /** Where calls go, without the path of a call. */
  get address(): string {
    return this.#api.address.base;
  }

  get retries(): number {
    return this.#api.outage.failures;
  }

  register(info: WorkerInfo, signal: AbortSignal): Promise<Registration> {
    return this.#session.register(info, signal);
  }

  /** One after the other: of two that are repeated after an outage, the older must not come last. */
  async update(patch: WorkerPatch, signal: AbortSignal): Promise<void> {
    this.#session.remember(patch);
    const send = () =>
      this.#session.call((id) => ({ method: 'PATCH', path: `/v1/workers/${id}`, json: patch, schema: empty }), signal);
    const sent = this.#updates.then(send);
    this.#updates = sent.catch(() => undefined);
    await sent;
  }

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
    const answer = await this.#session.call(
      (id) => ({
        method: 'POST',
        path: `/v1/workers/${id}/claims`,
        json: request,
        schema: rawClaimAnswer,
        timeoutMs: request.waitMs + slackMs,
      }),
      signal,
    );
    const { good, unreadable } = sortOffers(answer.offers);
    await Promise.all(unreadable.map((offer) => this.#handBack(offer, signal)));
    return good;
  }

  async accept(lease: Lease, signal: AbortSignal): Promise<void> {
    await this.#jobs.call(
      lease,
      { method: 'POST', path: '/accept', json: { epoch: lease.epoch }, schema: empty },
      signal,
    );
  }

  async release(lease: Lease, why: ReleaseCause, signal: AbortSignal): Promise<void> {
    const json = { ...why, epoch: lease.epoch };
    await this.#jobs.call(lease, { method: 'POST', path: '/release', json, schema: empty }, signal);
  }

  async adopt(leases: AdoptionRequest, signal: AbortSignal): Promise<readonly Adoption[]> {
    const answer = await this.#session.call(
      (id) => ({ method: 'POST', path: `/v1/workers/${id}/adoptions`, json: leases, schema: adoptionAnswer }),
      signal,
    );
    return answer.adoptions;
  }

  heartbeat(status: WorkerStatus, signal: AbortSignal): Promise<HeartbeatAnswer> {
    return this.#session.call(
      (id) => ({
        method: 'POST',
        path: `/v1/workers/${id}/heartbeat`,
        json: status,
        schema: heartbeatAnswer,
        timeoutMs: 10_000,
      }),
      signal,
    );
  }

  events(signal: AbortSignal): AsyncIterable<WorkerEvent> {
    return this.#events.open(signal);
  }

  appendLog(lease: Lease, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<AppendAnswer> {
    return this.#log.append(lease, offset, bytes, signal);
  }

  logOffset(lease: Lease, signal: AbortSignal): Promise<number> {
    return this.#log.next(lease, signal);
  }

  sealLog(lease: Lease, seal: Seal, signal: AbortSignal): Promise<{ readonly next: number } | undefined> {
    return this.#log.seal(lease, seal, signal);
  }

  async finish(lease: Lease, result: JobResult, signal: AbortSignal): Promise<void> {
    const json = { ...result, epoch: lease.epoch };
    await this.#jobs.call(lease, { method: 'POST', path: '/finish', json, schema: empty }, signal);
  }

  /** A worker that the server does not know any more is as good as deregistered. */
  async deregister(signal: AbortSignal): Promise<void> {
    const { workerToken: token } = this.#session.current;
    const path = `/v1/workers/${this.#session.id}`;
    const settled = await this.#api.settle({ method: 'DELETE', path, token, schema: empty }, signal);
    if (settled.kind === 'refused' && ![401, 404, 410].includes(settled.status)) {
      throw refusalError(settled.status, settled.error);
    }
  }

  /** Closes its connections; calls that wait end with RITMO_AGENT_STOPPING. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
    await this.#api[Symbol.asyncDispose]();
  }

  async #handBack(offer: UnreadableOffer, signal: AbortSignal): Promise<void> {
    const { jobId, epoch, ttlMs } = offer.lease;
    this.#api.log.error({ jobId, epoch, problem: offer.problem }, 'Handing back a job that this agent cannot read.');
    const why = {
      code: 'RITMO_JOB_INVALID',
      message: `This agent cannot read the job: ${offer.problem}`,
      retryAfterMs: unreadableRetryMs,
    };
    try {
      await this.release({ jobId, epoch, ttlMs, token: offer.jobToken }, why, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#api.log.warn(
        { jobId, epoch, error: String(error) },
        'The job could not be handed back; its offer will run out.',
      );
    }
  }
}

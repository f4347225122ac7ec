import { createHash, type Hash, randomUUID } from 'node:crypto';
import {
  type Adoption,
  type AdoptionRequest,
  type AppendAnswer,
  type CancelOrder,
  type ClaimRequest,
  type HeartbeatAnswer,
  type Job,
  type JobResult,
  type Offer,
  type Registration,
  type Seal,
  secretNamesOf,
  type WorkerEvent,
  type WorkerStatus,
} from '@ritmo/protocol';
import { systemClock } from '../clock.js';
import { codes, isCode, RitmoError } from '../errors.js';
import type { CancelReason } from '../executor/request.js';
import type { Clock } from '../executor/host.js';
import type { Lease, ReleaseCause, Transport } from './transport.js';

/** The one job, and where its log goes. */
export interface LocalTransportOptions {
  /** With its defaults, as `parseJobFile` of @ritmo/protocol gives it. */
  readonly job: Job;
  /** Values by name; those that the job does not name stay here. A name without value is for the agent to refuse. */
  readonly secrets: Readonly<Record<string, string>>;
  /** `[A-Za-z0-9_-]{1,64}`; made up where absent. */
  readonly jobId?: string;
  /** Bytes of the masked log, in order, each once. Its promise holds the next bytes back. */
  readonly onLog: (bytes: Uint8Array) => void | Promise<void>;
  /** The system's by default. */
  readonly clock?: Clock;
}

const ttlMs = 60_000;

/** One job, run by an agent in this process without a server: what `ritmo-agent exec` stands on. */
export class LocalTransport implements Transport {
  /** `local`. */
  readonly name = 'local';
  /** Id of the one job. */
  readonly jobId: string;
  /** How the job ended. Never rejects: what never ran is `errored`. */
  readonly result: Promise<JobResult>;
  readonly #options: LocalTransportOptions;
  readonly #clock: Clock;
  readonly #token = randomUUID();
  readonly #started: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #closed = new AbortController();
  #length = 0;
  #sealed = false;
  #writing: Promise<void> = Promise.resolve();
  #offeredTo: string | undefined;
  #cancel: CancelOrder | undefined;
  readonly #waiting = new Set<() => void>();
  #settle: (result: JobResult) => void = () => undefined;

  constructor(options: LocalTransportOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#started = this.#clock.monotonic();
    this.jobId = options.jobId ?? `local-${randomUUID()}`;
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(this.jobId)) {
      throw new RitmoError(
        'RITMO_USAGE',
        `The job id ${JSON.stringify(this.jobId)} is not made of letters, digits, - and _.`,
      );
    }
    this.result = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Asks the agent to stop the job; `graceMs` lies between the stop signal and the kill. The first reason wins. */
  cancel(reason: CancelReason, graceMs: number = this.#options.job.grace): void {
    this.#cancel ??= { reason, graceMs };
    this.#wake();
  }

  async register(): Promise<Registration> {
    return {
      workerId: 'local',
      workerToken: this.#token,
      resumeKey: this.#token,
      protocol: 1,
      heartbeatMs: 10_000,
      leaseTtlMs: ttlMs,
      claimWaitMs: 25_000,
      leases: [],
    };
  }

  async update(): Promise<void> {}

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
    if (this.#offeredTo === undefined || this.#offeredTo === request.requestId) {
      this.#offeredTo = request.requestId;
      return [this.#offer()];
    }
    await this.#wait(request.waitMs, signal);
    return [];
  }

  async accept(lease: Lease): Promise<void> {
    this.#check(lease);
  }

  /** Nobody else could take the job: handed back means that it did not run. */
  async release(lease: Lease, why: ReleaseCause): Promise<void> {
    this.#check(lease);
    this.#notRun(why.code, why.message);
  }

  async adopt(leases: AdoptionRequest): Promise<readonly Adoption[]> {
    return leases.map(({ jobId, epoch }) => ({ jobId, epoch, code: 'RITMO_FENCED' }));
  }

  async heartbeat(status: WorkerStatus): Promise<HeartbeatAnswer> {
    return {
      jobs: status.running.map(({ jobId, epoch }) => ({
        jobId,
        epoch,
        ...(jobId === this.jobId && epoch === 1 ? this.#verdict() : { verdict: 'fenced' }),
      })),
    };
  }

  /** The cancel, when it is asked for; then waits until the signal or the end of the transport. */
  async *events(signal: AbortSignal): AsyncGenerator<WorkerEvent> {
    while (this.#cancel === undefined && !this.#closed.signal.aborted) await this.#change(signal);
    if (this.#cancel !== undefined) yield { seq: 1, type: 'cancel', jobId: this.jobId, epoch: 1, ...this.#cancel };
    while (!this.#closed.signal.aborted) await this.#change(signal);
  }

  async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
    this.#check(lease);
    const before = this.#writing;
    const work = (async () => {
      await before.catch(() => undefined);
      const skip = this.#length - offset;
      if (skip < 0 || skip >= bytes.length) return;
      if (this.#sealed) throw new RitmoError('RITMO_SEALED', 'The log is sealed.');
      const fresh = bytes.subarray(skip);
      await this.#options.onLog(fresh);
      this.#hash.update(fresh);
      this.#length += fresh.length;
    })();
    this.#writing = work;
    await work;
    return { next: this.#length, ...(this.#cancel === undefined ? {} : { cancel: this.#cancel }) };
  }

  async logOffset(lease: Lease): Promise<number> {
    this.#check(lease);
    return this.#length;
  }

  async sealLog(lease: Lease, seal: Seal): Promise<{ readonly next: number } | undefined> {
    this.#check(lease);
    if (seal.length > this.#length) return { next: this.#length };
    if (seal.length < this.#length || seal.sha256 !== this.#hash.copy().digest('hex')) {
      throw new RitmoError('RITMO_LOG_MISMATCH', 'The log that was printed is not the log that was kept.', {
        retryable: false,
      });
    }
    this.#sealed = true;
    return undefined;
  }

  async finish(lease: Lease, result: JobResult): Promise<void> {
    this.#check(lease);
    this.#settle(result);
  }

  async deregister(): Promise<void> {}

  /** Ends what waits; a job that has not ended is `errored`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#wake();
    this.#notRun('RITMO_AGENT_STOPPING', 'The agent ended before the job did.');
  }

  #offer(): Offer {
    const { job, secrets } = this.#options;
    const named = secretNamesOf(job);
    return {
      job,
      secrets: Object.fromEntries(Object.entries(secrets).filter(([name]) => named.has(name))),
      lease: { jobId: this.jobId, epoch: 1, ttlMs },
      jobToken: this.#token,
      cacheScope: 'local',
      acceptWithinMs: 15_000,
    };
  }

  #verdict(): Pick<HeartbeatAnswer['jobs'][number], 'verdict' | 'cancel'> {
    return this.#cancel === undefined ? { verdict: 'keep' } : { verdict: 'cancel', cancel: this.#cancel };
  }

  #check(lease: Lease): void {
    if (lease.jobId === this.jobId && lease.epoch === 1) return;
    throw new RitmoError('RITMO_FENCED', `Job ${lease.jobId} is not the one that runs here.`);
  }

  /** The first end stands: nothing happens when the job has ended already. */
  #notRun(code: string, message: string): void {
    const known = isCode(code) ? codes[code] : { retryable: false, hint: '' };
    this.#settle({
      outcome: 'errored',
      failure: { code, message, retryable: known.retryable, ...(known.hint === '' ? {} : { hint: known.hint }) },
      steps: [],
      durationMs: Math.round(this.#clock.monotonic() - this.#started),
      artifacts: 0,
    });
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const any = AbortSignal.any([signal, this.#closed.signal]);
    await this.#clock.sleep(ms, any).catch(() => signal.throwIfAborted());
  }

  /** Until `cancel` or dispose; rejects with the signal's reason. */
  #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = () => {
        signal.removeEventListener('abort', settle);
        this.#waiting.delete(settle);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      signal.addEventListener('abort', settle, { once: true });
      this.#waiting.add(settle);
    });
  }

  #wake(): void {
    for (const settle of this.#waiting) settle();
  }
}

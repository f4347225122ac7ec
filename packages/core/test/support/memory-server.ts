import {
  type AdoptionRequest,
  type Adoption,
  type HeartbeatAnswer,
  job as jobSchema,
  type JobInput,
  type JobResult,
  type LogRecord,
  type Offer,
  type Registration,
  type Seal,
  type WorkerEvent,
  type WorkerInfo,
  type WorkerPatch,
  type WorkerStatus,
} from '@ritmo/protocol';
import { RitmoError } from '../../src/errors.js';
import type { ReleaseCause, Transport } from '../../src/transport/transport.js';

/** A job as the memory server sees it. */
export class MemoryJob {
  readonly offer: Offer;
  log = Buffer.alloc(0);
  seal: Seal | undefined;
  accepted = false;
  released: ReleaseCause | undefined;
  fenced = false;
  /** Heartbeats answer that there is no such lease. */
  unknown = false;
  result: JobResult | undefined;
  readonly #finished: Promise<JobResult>;
  #finish!: (result: JobResult) => void;

  constructor(offer: Offer) {
    this.offer = offer;
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get finished(): Promise<JobResult> {
    return this.#finished;
  }

  end(result: JobResult): void {
    this.result ??= result;
    this.#finish(result);
  }

  get records(): LogRecord[] {
    const lines = this.log.toString().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as LogRecord);
  }

  /** Everything the steps printed. */
  get output(): string {
    return this.records.map((record) => (record.k === 'out' ? record.m : '')).join('');
  }

  get notes(): string[] {
    return this.records.flatMap((record) => (record.k === 'note' ? [record.m] : []));
  }
}

/** An API server in the memory of the test, with the rules that an agent can notice. */
export class MemoryServer implements Transport {
  readonly name = 'memory';
  readonly jobs = new Map<string, MemoryJob>();
  readonly calls: string[] = [];
  readonly statuses: WorkerStatus[] = [];
  readonly registrations: WorkerInfo[] = [];
  readonly patches: WorkerPatch[] = [];
  adopted: AdoptionRequest = [];
  heartbeatMs = 20;
  leaseTtlMs = 60_000;
  resumeKey = 'resume-key-1';
  heldLeases: Registration['leases'] = [];
  command: HeartbeatAnswer['command'];
  /** Calls of these names wait until it is resolved. */
  blocked = new Map<string, Promise<void>>();
  readonly #queue: MemoryJob[] = [];
  readonly #wake = new Set<() => void>();
  readonly #events: WorkerEvent[] = [];
  #count = 0;

  /** Puts a job into the queue. */
  submit(input: JobInput, secrets: Record<string, string> = {}, more: Partial<Offer> = {}): MemoryJob {
    this.#count += 1;
    const jobId = `job-${this.#count}`;
    const entry = new MemoryJob({
      job: jobSchema.parse(input),
      secrets,
      lease: { jobId, epoch: 1, ttlMs: this.leaseTtlMs },
      jobToken: `token-${jobId}`,
      acceptWithinMs: 15_000,
      ...more,
    });
    this.jobs.set(jobId, entry);
    this.#queue.push(entry);
    this.#signal();
    return entry;
  }

  /** As if all that waits had been handed out already. */
  takeAll(): void {
    this.#queue.splice(0);
  }

  /** Hands the same attempt out once more, as a server does that was set back. */
  offerAgain(entry: MemoryJob): void {
    this.#queue.push(entry);
    this.#signal();
  }

  send(event: WorkerEvent): void {
    this.#events.push(event);
    this.#signal();
  }

  async register(info: WorkerInfo, signal: AbortSignal): Promise<Registration> {
    await this.#enter('register', signal);
    this.registrations.push(info);
    return {
      workerId: 'w-1',
      workerToken: 'worker-token',
      resumeKey: this.resumeKey,
      protocol: 1,
      heartbeatMs: this.heartbeatMs,
      leaseTtlMs: this.leaseTtlMs,
      claimWaitMs: 1000,
      leases: this.heldLeases,
    };
  }

  async update(patch: WorkerPatch, signal: AbortSignal): Promise<void> {
    await this.#enter('update', signal);
    this.patches.push(patch);
    this.#signal();
  }

  async claim(
    request: { readonly max: number; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<readonly Offer[]> {
    await this.#enter('claim', signal);
    if (request.waitMs > 0) await this.#until(() => this.#queue.length > 0, signal);
    return this.#queue.splice(0, request.max).map(({ offer }) => offer);
  }

  async accept(lease: { readonly jobId: string }, signal: AbortSignal): Promise<void> {
    await this.#enter('accept', signal);
    this.#job(lease).accepted = true;
  }

  async release(lease: { readonly jobId: string }, why: ReleaseCause, signal: AbortSignal): Promise<void> {
    await this.#enter('release', signal);
    this.#job(lease).released = why;
    this.#signal();
  }

  async adopt(leases: AdoptionRequest, signal: AbortSignal): Promise<readonly Adoption[]> {
    await this.#enter('adopt', signal);
    this.adopted = leases;
    return leases.map(({ jobId, epoch, intent }) => {
      if (intent === 'drop') return { jobId, epoch };
      return this.jobs.has(jobId)
        ? { jobId, epoch, jobToken: `token-${jobId}` }
        : { jobId, epoch, code: 'RITMO_FENCED' };
    });
  }

  async heartbeat(status: WorkerStatus, signal: AbortSignal): Promise<HeartbeatAnswer> {
    await this.#enter('heartbeat', signal);
    this.statuses.push(status);
    this.#signal();
    const command = this.command;
    this.command = undefined;
    return {
      jobs: status.running.map(({ jobId, epoch }) => ({
        jobId,
        epoch,
        verdict: this.jobs.get(jobId)?.fenced ? 'fenced' : this.jobs.get(jobId)?.unknown ? 'unknown' : 'keep',
      })),
      ...(command && { command }),
    };
  }

  async *events(signal: AbortSignal): AsyncGenerator<WorkerEvent> {
    await this.#enter('events', signal);
    for (;;) {
      await this.#until(() => this.#events.length > 0, signal);
      yield* this.#events.splice(0);
    }
  }

  async appendLog(lease: { readonly jobId: string }, offset: number, bytes: Uint8Array, signal: AbortSignal) {
    await this.#enter('appendLog', signal);
    const job = this.#job(lease);
    if (offset === job.log.length) job.log = Buffer.concat([job.log, bytes]);
    this.#signal();
    return { next: job.log.length };
  }

  async logOffset(lease: { readonly jobId: string }, signal: AbortSignal): Promise<number> {
    await this.#enter('logOffset', signal);
    return this.#job(lease).log.length;
  }

  async sealLog(lease: { readonly jobId: string }, seal: Seal, signal: AbortSignal): Promise<undefined> {
    await this.#enter('sealLog', signal);
    this.#job(lease).seal = seal;
  }

  async finish(lease: { readonly jobId: string }, result: JobResult, signal: AbortSignal): Promise<void> {
    await this.#enter('finish', signal);
    this.#job(lease).end(result);
  }

  async deregister(signal: AbortSignal): Promise<void> {
    await this.#enter('deregister', signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.calls.push('dispose');
  }

  /** Resolves once `condition` holds, looked at whenever something happened here. */
  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition()) {
      if (signal.aborted) throw signal.reason;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wake.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** For tests: waits for something that happens at the server. */
  when(condition: () => boolean): Promise<void> {
    return this.#until(condition, new AbortController().signal);
  }

  #signal(): void {
    for (const wake of this.#wake) wake();
  }

  async #enter(call: string, signal: AbortSignal): Promise<void> {
    this.calls.push(call);
    this.#signal();
    const gate = this.blocked.get(call);
    if (gate) {
      await Promise.race([
        gate,
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
        ),
      ]);
    }
    if (signal.aborted) throw signal.reason;
  }

  #job(lease: { readonly jobId: string }): MemoryJob {
    const job = this.jobs.get(lease.jobId);
    if (!job) throw new RitmoError('RITMO_NOT_FOUND', 'There is no such job.');
    if (job.fenced) throw new RitmoError('RITMO_FENCED', 'Another attempt holds the job.');
    return job;
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { type ArtifactTransport, type Lease, type ReleaseCause, RitmoError, type Transport } from '@ritmo/agent-core';
import {
  type Adoption,
  type AdoptionRequest,
  type AppendAnswer,
  type ArtifactFile,
  type ClaimRequest,
  type HeartbeatAnswer,
  type JobResult,
  type Offer,
  type Registration,
  type Seal,
  secretNamesOf,
  type WorkerEvent,
  type WorkerInfo,
  type WorkerStatus,
} from '@ritmo/protocol';
import type { Attempt, Entry, MemoryPlace } from './place.js';

const ttlMs = 60_000;
export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
export const fenced = (jobId: string) => new RitmoError('RITMO_FENCED', `Job ${jobId} is not this worker's.`);

/** A worker's way to a place in memory. Small, and keeps every promise; the mutants each break one. */
export class MemoryTransport implements Transport {
  readonly name: string = 'memory';
  readonly place: MemoryPlace;
  readonly closed = new AbortController();
  worker = '';

  constructor(place: MemoryPlace) {
    this.place = place;
  }

  async register(info: WorkerInfo): Promise<Registration> {
    this.worker = info.name;
    const held = [...this.place.jobs.values()].filter((entry) => this.holds(entry));
    return {
      workerId: info.name,
      workerToken: 'worker',
      resumeKey: 'resume',
      protocol: 1,
      heartbeatMs: 10_000,
      leaseTtlMs: ttlMs,
      claimWaitMs: 25_000,
      leases: held.map(({ id, epoch }) => ({ jobId: id, epoch })),
    };
  }

  async update(): Promise<void> {}

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
    const over = AbortSignal.any([this.closed.signal, AbortSignal.timeout(request.waitMs)]);
    for (;;) {
      signal.throwIfAborted();
      const offers = this.answered(() => this.take(request));
      if (offers.length > 0 || request.waitMs === 0 || over.aborted) return offers;
      await this.place.change(AbortSignal.any([signal, over])).catch(() => undefined);
    }
  }

  async accept(lease: Lease): Promise<void> {
    this.answered(() => this.check(lease));
  }

  async release(lease: Lease, _why: ReleaseCause): Promise<void> {
    const { entry } = this.check(lease);
    entry.state = 'queued';
    this.place.wake();
  }

  async adopt(leases: AdoptionRequest): Promise<readonly Adoption[]> {
    return leases.map(({ jobId, epoch, intent }): Adoption => {
      const entry = this.place.jobs.get(jobId);
      if (entry === undefined || entry.epoch !== epoch || !this.holds(entry))
        return { jobId, epoch, code: 'RITMO_FENCED' };
      if (intent === 'run') return { jobId, epoch, offer: this.offerOf(entry) };
      if (intent === 'finish') return { jobId, epoch, jobToken: 'job' };
      entry.state = 'queued';
      return { jobId, epoch };
    });
  }

  async heartbeat(status: WorkerStatus): Promise<HeartbeatAnswer> {
    return this.answered(() => ({
      jobs: status.running.map(({ jobId, epoch }) => {
        const entry = this.place.jobs.get(jobId);
        if (entry === undefined || entry.epoch !== epoch || !this.holds(entry))
          return { jobId, epoch, verdict: 'fenced' as const };
        const { cancel } = entry;
        return { jobId, epoch, ...(cancel ? { verdict: 'cancel' as const, cancel } : { verdict: 'keep' as const }) };
      }),
    }));
  }

  async *events(signal: AbortSignal): AsyncGenerator<WorkerEvent> {
    const told = new Set<string>();
    for (let seq = 1; !this.closed.signal.aborted; ) {
      for (const entry of this.place.jobs.values()) {
        if (!entry.cancel || !this.holds(entry) || told.has(entry.id)) continue;
        told.add(entry.id);
        yield { seq: seq++, type: 'cancel', jobId: entry.id, epoch: entry.epoch, ...entry.cancel };
      }
      await this.place.change(AbortSignal.any([signal, this.closed.signal])).catch(() => signal.throwIfAborted());
    }
  }

  async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
    return this.answered(() => {
      const { attempt } = this.check(lease);
      const { length } = attempt.log;
      const fresh = offset > length ? Buffer.of() : bytes.subarray(length - offset);
      if (attempt.sealed !== undefined && fresh.length > 0) throw new RitmoError('RITMO_SEALED', 'The log is sealed.');
      attempt.log = Buffer.concat([attempt.log, fresh]);
      return { next: attempt.log.length };
    });
  }

  async logOffset(lease: Lease): Promise<number> {
    return this.check(lease).attempt.log.length;
  }

  async sealLog(lease: Lease, seal: Seal): Promise<{ readonly next: number } | undefined> {
    return this.answered(() => {
      const { attempt } = this.check(lease);
      if (attempt.log.length < seal.length) return { next: attempt.log.length };
      if (sha256(attempt.log) !== seal.sha256) throw new RitmoError('RITMO_LOG_MISMATCH', 'It is another log.');
      attempt.sealed = seal.sha256;
      return undefined;
    });
  }

  async finish(lease: Lease, result: JobResult): Promise<void> {
    this.answered(() => {
      const { entry } = this.check(lease);
      entry.result ??= result;
      entry.state = 'ended';
    });
  }

  async deregister(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed.abort();
  }

  readonly artifacts: ArtifactTransport = {
    plan: async (lease, files) => {
      const { attempt } = this.check(lease);
      return files.map((file) => this.planOf(attempt, file));
    },
    upload: async (lease, { url }, body) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      this.check(lease).attempt.sent.set(url, Buffer.concat(chunks));
      return {};
    },
    complete: async (lease, artifactId, done) => this.complete(this.check(lease).attempt, artifactId, done.sha256),
  };

  complete(attempt: Attempt, artifactId: string, hash: string): void {
    const bytes = attempt.sent.get(artifactId);
    if (bytes === undefined || sha256(bytes) !== hash)
      throw new RitmoError('RITMO_ARTIFACT_UPLOAD', 'Other bytes have arrived.');
    attempt.stored.set(attempt.announced.get(artifactId)?.path ?? '', bytes);
  }

  planOf(attempt: Attempt, file: ArtifactFile) {
    const { artifactId, path, size } = file;
    attempt.announced.set(artifactId, file);
    if (size === 0) attempt.stored.set(path, Buffer.of());
    if (attempt.stored.has(path)) return { artifactId, stored: true };
    return { artifactId, upload: { url: artifactId, headers: {} } };
  }

  /** What the request was answered before, or jobs from the queue. */
  take({ requestId, max }: ClaimRequest): readonly Offer[] {
    const entries = [...this.place.jobs.values()];
    const held = entries.filter((entry) => this.holds(entry) && this.attemptOf(entry)?.requestId === requestId);
    if (held.length > 0) return held.map((entry) => this.offerOf(entry));
    const free = entries.filter(({ state }) => state === 'queued').slice(0, max);
    for (const entry of free) this.handOut(entry, requestId);
    return free.map((entry) => this.offerOf(entry));
  }

  handOut(entry: Entry, requestId: string): void {
    entry.state = 'held';
    entry.epoch += 1;
    entry.attempts.set(entry.epoch, {
      worker: this.worker,
      requestId,
      log: Buffer.of(),
      announced: new Map(),
      sent: new Map(),
      stored: new Map(),
    });
  }

  offerOf({ id, epoch, job, secrets }: Entry): Offer {
    const named = secretNamesOf(job);
    return {
      job,
      secrets: Object.fromEntries(Object.entries(secrets).filter(([name]) => named.has(name))),
      lease: { jobId: id, epoch, ttlMs },
      jobToken: randomUUID(),
      acceptWithinMs: 15_000,
    };
  }

  holds(entry: Entry): boolean {
    return entry.state === 'held' && this.attemptOf(entry)?.worker === this.worker;
  }

  attemptOf(entry: Entry): Attempt | undefined {
    return entry.attempts.get(entry.epoch);
  }

  /** The attempt of a lease. Throws RITMO_FENCED where it is over. */
  check({ jobId, epoch }: Lease): { readonly entry: Entry; readonly attempt: Attempt } {
    const entry = this.place.jobs.get(jobId);
    const attempt = entry && this.attemptOf(entry);
    if (entry === undefined || attempt === undefined || entry.epoch !== epoch || entry.state === 'queued')
      throw fenced(jobId);
    return { entry, attempt };
  }

  /** Does the work again where its answer was lost. */
  answered<T>(work: () => T): T {
    const answer = work();
    if (this.place.lost === 0) return answer;
    this.place.lost -= 1;
    return work();
  }
}

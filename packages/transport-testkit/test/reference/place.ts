import { randomUUID } from 'node:crypto';
import type { ArtifactFile, CancelOrder, Job, JobResult } from '@ritmo/protocol';
import { job as jobSchema } from '@ritmo/protocol';
import type { Ending, KitJob, TransportPlace, TransportSubject } from '../../src/index.js';
import { MemoryTransport } from './transport.js';

/** One attempt of a job. */
export interface Attempt {
  readonly worker: string;
  readonly requestId: string;
  log: Buffer;
  sealed?: string;
  readonly announced: Map<string, ArtifactFile>;
  readonly sent: Map<string, Buffer>;
  readonly stored: Map<string, Buffer>;
}

/** A job in the memory of this process. */
export interface Entry {
  readonly id: string;
  readonly job: Job;
  readonly secrets: Readonly<Record<string, string>>;
  state: 'queued' | 'held' | 'ended';
  epoch: number;
  readonly attempts: Map<number, Attempt>;
  result?: JobResult;
  cancel?: CancelOrder;
}

/** A place of jobs that keeps every promise, in memory. */
export class MemoryPlace implements TransportPlace {
  readonly jobs = new Map<string, Entry>();
  readonly Transport: typeof MemoryTransport;
  readonly #changed = new Set<() => void>();
  /** How many calls from now on lose their answer. */
  lost = 0;

  constructor(Transport: typeof MemoryTransport = MemoryTransport) {
    this.Transport = Transport;
  }

  connect(): MemoryTransport {
    return new this.Transport(this);
  }

  async submit(job: KitJob, secrets: Readonly<Record<string, string>>): Promise<string> {
    const id = randomUUID();
    const parsed = jobSchema.parse({ ...job, secrets: [...job.secrets], steps: [...job.steps] });
    this.jobs.set(id, { id, job: parsed, secrets, state: 'queued', epoch: 0, attempts: new Map() });
    this.wake();
    return id;
  }

  async cancel(jobId: string, graceMs: number): Promise<void> {
    const entry = this.entry(jobId);
    entry.cancel ??= { reason: 'user', graceMs };
    this.wake();
  }

  async log(jobId: string, epoch: number): Promise<Uint8Array> {
    return this.jobs.get(jobId)?.attempts.get(epoch)?.log ?? Buffer.of();
  }

  async ended(jobId: string): Promise<Ending | undefined> {
    const result = this.jobs.get(jobId)?.result;
    return result && { outcome: result.outcome, exitCode: result.exitCode, code: result.failure?.code };
  }

  async lose(jobId: string): Promise<void> {
    this.entry(jobId).state = 'queued';
    this.wake();
  }

  async files(jobId: string, epoch: number): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.entry(jobId).attempts.get(epoch)?.stored ?? new Map();
  }

  loseAnswer(): void {
    this.lost = 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wake();
  }

  entry(jobId: string): Entry {
    const entry = this.jobs.get(jobId);
    if (entry === undefined) throw new Error(`there is no job ${jobId}`);
    return entry;
  }

  wake(): void {
    for (const wake of this.#changed) wake();
  }

  /** Until something changes; rejects with the signal's reason. */
  change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = () => {
        signal.removeEventListener('abort', settle);
        this.#changed.delete(settle);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      signal.addEventListener('abort', settle, { once: true });
      this.#changed.add(settle);
    });
  }
}

/** The reference, or a variant of its transport, as the kit takes it. */
export function memorySubject(Transport = MemoryTransport): TransportSubject {
  return {
    name: 'memory',
    abilities: { manyJobs: true, manyWorkers: true, secrets: true, adoption: true, again: true },
    open: async () => new MemoryPlace(Transport),
  };
}

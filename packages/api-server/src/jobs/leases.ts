import { type Clock, Stopwatch } from '../clock.js';

/** The right of one worker to run one attempt, as long as it is renewed. */
export interface Lease {
  readonly jobId: string;
  readonly epoch: number;
  readonly workerId: string;
  /** `offer`: to be accepted in time. `run`: to be renewed by heartbeats. */
  kind: 'offer' | 'run';
  /** Set while a new instance of the worker has yet to name this lease. */
  adoption: Stopwatch | undefined;
  readonly watch: Stopwatch;
  /** As the last heartbeat said. */
  phase: string;
}

export interface LeaseTimes {
  readonly acceptWithinMs: number;
  readonly adoptWithinMs: number;
  readonly leaseTtlMs: number;
  readonly leaseSlackMs: number;
}

export type Expiry = 'not-accepted' | 'not-adopted' | 'not-renewed';

/** Leases by job, in memory: after a restart of the server each begins anew, since nobody could renew it meanwhile. */
export class LeaseTable {
  readonly #clock: Clock;
  readonly #times: LeaseTimes;
  readonly #leases = new Map<string, Lease>();

  constructor(clock: Clock, times: LeaseTimes) {
    this.#clock = clock;
    this.#times = times;
  }

  get size(): number {
    return this.#leases.size;
  }

  add(jobId: string, epoch: number, workerId: string, kind: Lease['kind']): void {
    const phase = kind === 'offer' ? 'accepting' : 'running';
    this.#leases.set(jobId, {
      jobId,
      epoch,
      workerId,
      kind,
      phase,
      adoption: undefined,
      watch: new Stopwatch(this.#clock),
    });
  }

  /** The lease of this job and epoch, if it is held. */
  get(jobId: string, epoch: number): Lease | undefined {
    const lease = this.#leases.get(jobId);
    return lease?.epoch === epoch ? lease : undefined;
  }

  delete(jobId: string): void {
    this.#leases.delete(jobId);
  }

  ofWorker(workerId: string): Lease[] {
    return [...this.#leases.values()].filter((lease) => lease.workerId === workerId);
  }

  /** Starts the time in which a new instance has to name what the old one held. */
  awaitAdoption(workerId: string): void {
    for (const lease of this.ofWorker(workerId)) lease.adoption = new Stopwatch(this.#clock);
  }

  /** Leases whose time is over, with the reason. */
  expired(): { readonly lease: Lease; readonly why: Expiry }[] {
    const over: { lease: Lease; why: Expiry }[] = [];
    for (const lease of this.#leases.values()) {
      const why = this.#expiry(lease);
      if (why) over.push({ lease, why });
    }
    return over;
  }

  #expiry(lease: Lease): Expiry | undefined {
    const { acceptWithinMs, adoptWithinMs, leaseTtlMs, leaseSlackMs } = this.#times;
    if (lease.adoption && lease.adoption.elapsed() >= adoptWithinMs) return 'not-adopted';
    const elapsed = lease.watch.elapsed();
    if (lease.kind === 'offer') return elapsed >= acceptWithinMs ? 'not-accepted' : undefined;
    return elapsed >= leaseTtlMs + leaseSlackMs ? 'not-renewed' : undefined;
  }
}

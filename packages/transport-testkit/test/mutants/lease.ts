import { type Lease, RitmoError } from '@ritmo/agent-core';
import type { ClaimRequest, Offer, Registration, WorkerInfo } from '@ritmo/protocol';
import type { Entry } from '../reference/place.js';
import { MemoryTransport } from '../reference/transport.js';
import type { Mutant } from './mutant.js';

/** How jobs are handed out, taken back and taken up. */
export const leaseMutants: readonly Mutant[] = [
  {
    wrong: 'knows a worker that registers again for somebody else',
    Transport: class extends MemoryTransport {
      override register(info: WorkerInfo): Promise<Registration> {
        if (this.worker !== '') throw new RitmoError('RITMO_NAME_TAKEN', 'There is a worker of that name.');
        return super.register(info);
      }
    },
    caughtBy: ['register.again'],
  },
  {
    wrong: 'lets leases run out between two heartbeats',
    Transport: class extends MemoryTransport {
      override async register(info: WorkerInfo): Promise<Registration> {
        return { ...(await super.register(info)), leaseTtlMs: 1_000 };
      }
    },
    caughtBy: ['register.answer'],
  },
  {
    wrong: 'forgets what a request was answered',
    Transport: class extends MemoryTransport {
      override take({ max }: ClaimRequest): readonly Offer[] {
        return super.take({ requestId: `${Math.random()}`, max, waitMs: 0 });
      }
    },
    caughtBy: ['claim.repeat', 'answers.claim'],
  },
  {
    wrong: 'gives a job to whoever asks',
    Transport: class extends MemoryTransport {
      override take(request: ClaimRequest): readonly Offer[] {
        const held = [...this.place.jobs.values()].filter(({ state }) => state === 'held');
        return [...super.take(request), ...held.map((entry) => this.offerOf(entry))].slice(0, request.max);
      }
    },
    caughtBy: ['claim.once', 'claim.apart', 'claim.max', 'claim.nothing', 'claim.waits', 'claim.close'],
  },
  {
    wrong: 'gives more than was asked for',
    Transport: class extends MemoryTransport {
      override take(request: ClaimRequest): readonly Offer[] {
        return super.take({ ...request, max: 100 });
      }
    },
    caughtBy: ['claim.max'],
  },
  {
    wrong: 'answers at once instead of waiting',
    Transport: class extends MemoryTransport {
      override claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
        return super.claim({ ...request, waitMs: 0 }, signal);
      }
    },
    caughtBy: ['claim.waits', 'claim.wakes', 'claim.abort'],
  },
  {
    wrong: 'waits on for jobs after it was closed',
    Transport: class extends MemoryTransport {
      override async [Symbol.asyncDispose](): Promise<void> {}
    },
    caughtBy: ['claim.close', 'events.close'],
  },
  {
    wrong: 'looks for jobs only when a claim begins',
    Transport: class extends MemoryTransport {
      override async claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
        const offers = await super.claim({ ...request, waitMs: 0 }, signal);
        if (offers.length > 0 || request.waitMs === 0) return offers;
        const over = AbortSignal.any([signal, this.closed.signal, AbortSignal.timeout(request.waitMs)]);
        while (!over.aborted) await this.place.change(over).catch(() => undefined);
        signal.throwIfAborted();
        return [];
      }
    },
    caughtBy: ['claim.wakes'],
  },
  {
    wrong: 'rejects with an error of its own when it is aborted',
    Transport: class extends MemoryTransport {
      override claim(request: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
        return super.claim(request, signal).catch((error: unknown) => {
          throw signal.aborted ? new Error('aborted', { cause: error }) : error;
        });
      }
    },
    caughtBy: ['claim.abort'],
  },
  {
    wrong: 'delivers secrets that a job does not name, and none that it does',
    Transport: class extends MemoryTransport {
      override offerOf(entry: Entry): Offer {
        return { ...super.offerOf(entry), secrets: {} };
      }
    },
    caughtBy: ['claim.secrets'],
  },
  {
    wrong: 'hands a job out again under the same epoch',
    Transport: class extends MemoryTransport {
      override handOut(entry: Entry, requestId: string): void {
        super.handOut(entry, requestId);
        const attempt = this.attemptOf(entry);
        entry.epoch = 1;
        if (attempt !== undefined) entry.attempts.set(1, attempt);
      }
    },
    caughtBy: ['lease.release', 'fencing.lost', 'fencing.lost-heartbeat'],
  },
  {
    wrong: 'takes writes of any attempt',
    Transport: class extends MemoryTransport {
      override check(lease: Lease): ReturnType<MemoryTransport['check']> {
        const entry = this.place.jobs.get(lease.jobId);
        return super.check({ ...lease, epoch: entry?.epoch ?? lease.epoch });
      }
    },
    caughtBy: ['fencing.epoch', 'fencing.lost'],
  },
  {
    wrong: 'refuses a stale lease with an error of its own',
    Transport: class extends MemoryTransport {
      override check(lease: Lease): ReturnType<MemoryTransport['check']> {
        try {
          return super.check(lease);
        } catch {
          throw new Error('no such lease');
        }
      }
    },
    caughtBy: ['fencing.epoch', 'fencing.job', 'fencing.lost'],
  },
];

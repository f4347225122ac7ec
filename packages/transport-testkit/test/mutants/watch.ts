import type { AdoptionRequest, WorkerStatus } from '@ritmo/protocol';
import { MemoryTransport } from '../reference/transport.js';
import type { Mutant } from './mutant.js';

/** What a worker is told of its jobs, while it runs and after its restart. */
export const watchMutants: readonly Mutant[] = [
  {
    wrong: 'lets a worker keep what it has lost, or never had',
    Transport: class extends MemoryTransport {
      override async heartbeat(status: WorkerStatus) {
        const { jobs } = await super.heartbeat(status);
        return { jobs: jobs.map((job) => (job.verdict === 'fenced' ? { ...job, verdict: 'keep' as const } : job)) };
      }
    },
    caughtBy: ['fencing.lost-heartbeat', 'heartbeat.unknown'],
  },
  {
    wrong: 'says a cancel once only',
    Transport: class extends MemoryTransport {
      readonly #told = new Set<string>();
      override async heartbeat(status: WorkerStatus) {
        const { jobs } = await super.heartbeat(status);
        return {
          jobs: jobs.map((job) => {
            if (job.verdict !== 'cancel') return job;
            const { jobId, epoch } = job;
            const again = this.#told.has(jobId);
            this.#told.add(jobId);
            return again ? { jobId, epoch, verdict: 'keep' as const } : job;
          }),
        };
      }
    },
    caughtBy: ['heartbeat.cancel'],
  },
  {
    wrong: 'tells nobody of a cancel by its events',
    Transport: class extends MemoryTransport {
      override async *events(signal: AbortSignal) {
        for await (const event of super.events(signal)) if (event.type !== 'cancel') yield event;
      }
    },
    caughtBy: ['events.cancel'],
  },
  {
    wrong: 'listens on for events after its signal is aborted',
    Transport: class extends MemoryTransport {
      override events() {
        return super.events(this.closed.signal);
      }
    },
    caughtBy: ['events.abort'],
  },
  {
    wrong: 'forgets its leases when its worker is back',
    Transport: class extends MemoryTransport {
      override async adopt(leases: AdoptionRequest) {
        return leases.map(({ jobId, epoch }) => ({ jobId, epoch, code: 'RITMO_FENCED' }));
      }
    },
    caughtBy: ['adoption.run', 'adoption.finish'],
  },
  {
    wrong: 'keeps what was dropped',
    Transport: class extends MemoryTransport {
      override async adopt(leases: AdoptionRequest) {
        return super
          .adopt(leases.filter(({ intent }) => intent !== 'drop'))
          .then((answers) => [
            ...answers,
            ...leases.filter(({ intent }) => intent === 'drop').map(({ jobId, epoch }) => ({ jobId, epoch })),
          ]);
      }
    },
    caughtBy: ['adoption.drop'],
  },
];

import { jobStates } from '@ritmo/protocol';
import { isCode } from '@ritmo/protocol/codes';
import type { Claims } from './jobs/claims.js';
import type { LeaseTable } from './jobs/leases.js';
import { workerSummaryOf } from './jobs/views.js';
import type { LogStore } from './logs/log-store.js';
import type { BlobStore } from './artifacts/blob-store.js';
import { lossReasons } from './jobs/lifecycle.js';
import type { JobStore } from './store/jobs.js';
import type { WorkerDirectory } from './workers/directory.js';
import type { WorkerEvents } from './workers/events.js';

/** What the metrics are read from. */
export interface MetricSources {
  readonly jobs: JobStore;
  readonly directory: WorkerDirectory;
  readonly leases: LeaseTable;
  readonly claims: Claims;
  readonly events: WorkerEvents;
  readonly logs: LogStore;
  readonly blobs: BlobStore;
}

type Labels = Readonly<Record<string, string | number>>;

/** Counts of this server, in the text form of Prometheus. */
export class Metrics {
  /** Open follows of logs. */
  followers = 0;
  #submitted = 0;
  readonly #ended = new Map<string, number>();
  readonly #requeued = new Map<string, number>();
  readonly #requests = new Map<string, { readonly labels: Labels; count: number; seconds: number }>();

  submitted(): void {
    this.#submitted++;
  }

  ended(state: string): void {
    this.#ended.set(state, (this.#ended.get(state) ?? 0) + 1);
  }

  /** By code where it is one of ours: a worker may say any word, and the number of series is bounded. */
  requeued(why: string): void {
    const reason = isCode(why) || lossReasons.has(why) ? why : 'other';
    this.#requeued.set(reason, (this.#requeued.get(reason) ?? 0) + 1);
  }

  /** One call: by route, never by path, so that the number of series is bounded. */
  answered(method: string, route: string, status: number, seconds: number): void {
    const key = `${method} ${route} ${status}`;
    const known = this.#requests.get(key) ?? { labels: { method, route, status }, count: 0, seconds: 0 };
    known.count++;
    known.seconds += seconds;
    this.#requests.set(key, known);
  }

  text(sources: MetricSources): string {
    const { jobs, directory, leases, claims, events, logs, blobs } = sources;
    const states = jobs.countByState();
    const workers = directory.all().map((worker) => workerSummaryOf(worker, directory, leases).state);
    const requests = [...this.#requests.values()];
    return [
      family(
        'ritmo_jobs',
        'gauge',
        'Jobs by state.',
        jobStates.map((state) => [{ state }, states.get(state) ?? 0]),
      ),
      family(
        'ritmo_workers',
        'gauge',
        'Workers by state.',
        [...new Set(workers)].map((state) => [{ state }, workers.filter((one) => one === state).length]),
      ),
      family('ritmo_leases', 'gauge', 'Leases held.', [[{}, leases.size]]),
      family('ritmo_claims_waiting', 'gauge', 'Claims that wait for a job.', [[{}, claims.waiting]]),
      family('ritmo_event_streams', 'gauge', 'Open event streams of workers.', [[{}, events.open]]),
      family('ritmo_log_followers', 'gauge', 'Open follows of logs.', [[{}, this.followers]]),
      family('ritmo_jobs_submitted_total', 'counter', 'Jobs submitted.', [[{}, this.#submitted]]),
      family(
        'ritmo_jobs_ended_total',
        'counter',
        'Jobs ended, by state.',
        [...this.#ended].map(([state, n]) => [{ state }, n]),
      ),
      family(
        'ritmo_jobs_requeued_total',
        'counter',
        'Jobs that went back to the queue.',
        [...this.#requeued].map(([reason, n]) => [{ reason }, n]),
      ),
      family('ritmo_log_bytes_total', 'counter', 'Bytes of logs kept.', [[{}, logs.bytesKept]]),
      family('ritmo_artifact_bytes_total', 'counter', 'Bytes of artifacts received.', [[{}, blobs.bytesKept]]),
      family(
        'ritmo_http_requests_total',
        'counter',
        'Calls answered.',
        requests.map(({ labels, count }) => [labels, count]),
      ),
      family(
        'ritmo_http_request_seconds_total',
        'counter',
        'Time until the answer began.',
        requests.map(({ labels, seconds }) => [labels, seconds]),
      ),
      family('process_resident_memory_bytes', 'gauge', 'Resident memory.', [[{}, process.memoryUsage.rss()]]),
      family('process_cpu_seconds_total', 'counter', 'CPU time.', [[{}, cpuSeconds()]]),
    ].join('');
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function family(
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  samples: readonly (readonly [Labels, number])[],
): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([key, value]) => `${key}="${String(value).replaceAll(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Agent } from '../agent/agent.js';
import type { AgentEvents } from '../agent/events.js';
import { readiness } from './readiness.js';

const stepBuckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400];
const prepareBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300];
const callBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Counts what an agent does, for Prometheus; counting ends with `dispose`. */
export class AgentMetrics implements Disposable {
  readonly #agent: Agent;
  readonly #registry = new Registry();
  readonly #undo: (() => void)[] = [];
  /** When the stop of each build was asked for. */
  readonly #cancelling = new Map<string, number>();

  constructor(agent: Agent) {
    this.#agent = agent;
    collectDefaultMetrics({ register: this.#registry });
    this.#counts();
    this.#durations();
    this.#gauges();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo) undo();
    this.#registry.clear();
  }

  #counts(): void {
    const builds = this.#counter('ritmo_agent_builds_total', 'Builds that have ended, by outcome', ['outcome']);
    const logBytes = this.#counter('ritmo_agent_log_bytes_total', 'Bytes of masked logs of ended builds');
    this.#on('job:finished', (event) => {
      builds.inc({ outcome: event.outcome });
      logBytes.inc(event.logBytes);
    });
    const claims = this.#counter('ritmo_agent_claims_total', 'Claims that the server answered, by what they brought', [
      'result',
    ]);
    this.#on('claim:answered', ({ offers }) => claims.inc({ result: offers > 0 ? 'job' : 'nothing' }));
    const released = this.#counter('ritmo_agent_jobs_released_total', 'Jobs handed back before their first step', [
      'code',
    ]);
    this.#on('job:released', ({ code }) => released.inc({ code }));
    const beats = this.#counter('ritmo_agent_heartbeats_total', 'Heartbeats, by whether they were answered', [
      'result',
    ]);
    this.#on('heartbeat:answered', () => beats.inc({ result: 'answered' }));
    this.#on('heartbeat:failed', () => beats.inc({ result: 'failed' }));
    const reported = this.#counter('ritmo_agent_builds_reported_total', 'Builds whose end the server knows');
    this.#on('job:reported', () => reported.inc());
    this.#countRetries();
    const errors = this.#counter('ritmo_agent_errors_total', 'Errors that nobody waited for');
    this.#on('agent:error', () => errors.inc());
  }

  /** The transport counts by itself. */
  #countRetries(): void {
    const agent = this.#agent;
    const retries: Counter = new Counter({
      name: 'ritmo_agent_retries_total',
      help: 'Calls to the API server that had to be repeated',
      registers: [this.#registry],
      collect() {
        retries.reset();
        retries.inc(agent.status.worker?.retries ?? 0);
      },
    });
  }

  #durations(): void {
    const build = this.#histogram('ritmo_agent_build_seconds', 'Builds from claim to end', stepBuckets, ['outcome']);
    const cancel = this.#histogram(
      'ritmo_agent_cancel_seconds',
      'From the wish to stop a build until its sandbox is gone',
      callBuckets,
    );
    this.#on('job:cancelling', ({ jobId }) => this.#cancelling.set(jobId, performance.now()));
    this.#on('job:finished', ({ jobId, outcome, durationMs }) => {
      build.observe({ outcome }, durationMs / 1000);
      const asked = this.#cancelling.get(jobId);
      this.#cancelling.delete(jobId);
      if (asked !== undefined) cancel.observe((performance.now() - asked) / 1000);
    });
    const prepare = this.#histogram(
      'ritmo_agent_sandbox_start_seconds',
      'From allocate to a prepared sandbox, with checkout',
      prepareBuckets,
    );
    this.#on('job:prepared', ({ durationMs }) => prepare.observe(durationMs / 1000));
    const step = this.#histogram('ritmo_agent_step_seconds', 'Steps, by how they ended', stepBuckets, ['status']);
    this.#on('step:finished', ({ exit, durationMs }) => step.observe({ status: exit.status }, durationMs / 1000));
    const beat = this.#histogram('ritmo_agent_heartbeat_seconds', 'Heartbeats that were answered', callBuckets);
    this.#on('heartbeat:answered', ({ durationMs }) => beat.observe(durationMs / 1000));
  }

  #gauges(): void {
    const agent = this.#agent;
    const worker = () => agent.status.worker;
    this.#gauge('ritmo_agent_ready', '1 where the worker can be given jobs', () => +readiness(agent.status).ready);
    this.#gauge('ritmo_agent_slots', 'Builds at once, at most', () => worker()?.slots.max ?? 0);
    this.#gauge('ritmo_agent_slots_taken', 'Slots that a build holds', () => worker()?.slots.held ?? 0);
    this.#gauge('ritmo_agent_disk_free_bytes', 'Free where the state directory lies', () => worker()?.disk?.freeBytes);
    this.#gauge('ritmo_agent_spool_bytes', 'Logs on disk that the server does not have as a whole', () =>
      agent.spoolBytes(),
    );
    this.#labelledGauge('ritmo_agent_builds_running', 'Builds that hold a lease, by phase', 'phase', (gauge) => {
      gauge.reset();
      for (const { phase } of worker()?.running ?? []) gauge.inc({ phase });
    });
    const usable = '1 where builds can be given to the executor';
    this.#labelledGauge('ritmo_agent_executor_usable', usable, 'executor', (gauge) => {
      for (const { name, health } of worker()?.executors ?? [])
        gauge.set({ executor: name }, health === 'healthy' || health === 'degraded' ? 1 : 0);
    });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, buckets: number[], labelNames: string[] = []): Histogram {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read: () => number | undefined | Promise<number>): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        const value = await read();
        if (value !== undefined) gauge.set(value);
      },
    });
  }

  #labelledGauge(name: string, help: string, label: string, collect: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect: () => collect(gauge),
    });
  }

  #on<Name extends keyof AgentEvents>(event: Name, listener: (...payload: AgentEvents[Name]) => void): void {
    this.#agent.on(event, listener);
    this.#undo.push(() => void this.#agent.off(event, listener));
  }
}

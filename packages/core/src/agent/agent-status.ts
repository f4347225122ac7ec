import type { WorkerStatus } from '@ritmo/protocol';
import type { Health } from '../health/health-watch.js';
import type { AgentState } from './state.js';

/** Everything that explains what an agent does now, and why it may do nothing. JSON. */
export interface AgentStatus {
  /** Where it is in its life. */
  readonly state: AgentState;
  /** One sentence each: why it claims no jobs, or why it may get none. */
  readonly reasons: readonly string[];
  /** Once it has registered. */
  readonly worker?: WorkerFacts;
}

/** What a registered worker knows of itself. Times are RFC 3339. */
export interface WorkerFacts {
  /** As the server knows it. */
  readonly id: string;
  /** As people know it. */
  readonly name: string;
  /** Of the agent. */
  readonly version: string;
  /** Those that jobs can ask for. */
  readonly labels: Readonly<Record<string, string>>;
  /** Builds at once: most, taken, free. */
  readonly slots: { readonly max: number; readonly held: number; readonly free: number };
  /** Whether it asks for jobs now. */
  readonly claiming: boolean;
  /** Its builds, and how far each is. */
  readonly running: WorkerStatus['running'];
  /** When a claim was last answered, and with how many jobs. */
  readonly lastClaim?: { readonly at: string; readonly offers: number };
  /** How the server is reached. */
  readonly heartbeat: { readonly lastAnswer?: string; readonly failedInRow: number; readonly everyMs: number };
  /** Calls to the server that had to be repeated since the start, where the transport counts them. */
  readonly retries?: number;
  /** Where the state directory lies, in bytes. */
  readonly disk?: { readonly freeBytes: number; readonly totalBytes: number; readonly minFreeBytes: number };
  /** How each is. */
  readonly executors: Health['executors'];
  /** Load of the machine, as heartbeats carry it. */
  readonly host: WorkerStatus['host'];
}

/** Why an agent that could run a build runs none, in words. */
export function reasonsOf(
  state: AgentState,
  unhealthy: readonly string[],
  worker: WorkerFacts | undefined,
): readonly string[] {
  const told = byState[state];
  if (told !== undefined && (state === 'stopped' || state === 'failed')) return [told];
  const reasons = [...(told === undefined ? [] : [told]), ...unhealthy];
  if (!worker || reasons.length > 0) return reasons;
  if (worker.heartbeat.failedInRow > 0)
    reasons.push(`The API server left ${worker.heartbeat.failedInRow} heartbeats without an answer.`);
  if (worker.slots.free === 0) reasons.push(`All ${worker.slots.max} slots are taken.`);
  else if (worker.slots.held === 0) {
    const labels = Object.entries(worker.labels).map(([key, value]) => `${key}=${value}`);
    const has = labels.length === 0 ? 'no labels' : `the labels ${labels.join(', ')}`;
    reasons.push(`It waits for a job; the server has none that fits. It has ${has}.`);
  }
  return reasons;
}

const byState: Readonly<Partial<Record<AgentState, string>>> = {
  created: 'It has not been started.',
  starting: 'It is starting: the API server has not registered it yet.',
  paused: 'It is paused.',
  draining: 'It is draining: it takes no new jobs.',
  stopping: 'It is stopping.',
  stopped: 'It has ended.',
  failed: 'It has ended with an error.',
};

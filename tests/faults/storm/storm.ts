import { setTimeout as delay } from 'node:timers/promises';
import { brokenPromises } from './checks.js';
import { type Isolation, type Plan, faultsOf, plansOf } from './faults.js';
import { inflict } from './inflict.js';
import { jobsOf, type Role } from './jobs.js';
import { CallRefused, Lab } from './lab.js';
import { leftovers } from './leftovers.js';

export interface Round {
  readonly isolation: Isolation;
  readonly plan: Plan;
  /** How each job ended, by its name. */
  readonly states: Readonly<Partial<Record<Role, string>>>;
  /** What was not kept of the promises; what was left. Both empty in a good round. */
  readonly broken: readonly string[];
  readonly left: readonly string[];
  readonly ms: number;
}

export interface StormOptions {
  readonly isolation: Isolation;
  readonly rounds: number;
  readonly seed: number;
  /** All that the isolation knows, where absent. */
  readonly faults?: readonly Plan['fault'][];
}

/** How long the jobs of a round may take to end, in milliseconds. */
const roundMs = 120_000;

/**
 * Faults at random moments, round after round; each round ends with a drain, the server's records checked and what is
 * left counted. The seed repeats the choices, not the scheduling.
 */
export async function* storm(options: StormOptions): AsyncGenerator<Round> {
  const { isolation, rounds, seed, faults = faultsOf[isolation] } = options;
  await using lab = await Lab.open(isolation);
  for (const plan of plansOf(faults, seed)) {
    if (plan.round > rounds) return;
    yield await oneRound(lab, plan, seed);
  }
}

async function oneRound(lab: Lab, plan: Plan, seed: number): Promise<Round> {
  const begin = performance.now();
  if (!lab.agent?.running) await lab.startAgent();
  const marker = `storm-${process.pid}-${seed}-${plan.round}-`;
  const jobs = jobsOf(marker, lab.isolation, plan.fault);
  const ids = new Map<Role, string>();
  for (const job of jobs) ids.set(job.name, await lab.submit(job));
  const early = delay(plan.cancelMs).then(() => cancel(lab, ids.get('early')));
  await delay(plan.afterMs);
  await inflict(lab, plan, marker);
  await early;
  await cancel(lab, ids.get('silent'));
  await ended(lab, [...ids.values()]);
  const exitCode = await lab.agent?.end('SIGTERM');
  const broken = exitCode === 0 ? [] : [`the agent ended with ${exitCode}: ${lab.agent?.printed.slice(-2_000)}`];
  const states: Partial<Record<Role, string>> = {};
  for (const [role, id] of ids) {
    const job = await lab.job(id);
    states[role] = job.state;
    broken.push(...(await brokenPromises(lab, job, plan)));
  }
  const left = await leftovers(lab, marker);
  for (const who of ['agent', 'server'] as const) await lab.setClock(who, {});
  return { isolation: lab.isolation, plan, states, broken, left, ms: Math.round(performance.now() - begin) };
}

/** It may have ended before. */
async function cancel(lab: Lab, id = ''): Promise<void> {
  try {
    await lab.cancel(id);
  } catch (error) {
    if (!(error instanceof CallRefused && error.status === 409)) throw error;
  }
}

async function ended(lab: Lab, ids: readonly string[]): Promise<void> {
  const limit = AbortSignal.timeout(roundMs);
  const open = ['queued', 'offered', 'running', 'lost'];
  while (!limit.aborted) {
    const states = await Promise.all(ids.map(async (id) => (await lab.job(id)).state));
    if (!states.some((state) => open.includes(state))) return;
    await delay(50);
  }
}

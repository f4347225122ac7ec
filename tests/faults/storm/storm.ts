import { setTimeout as delay } from 'node:timers/promises';
import { processesWithMarker } from '../../support/witness.js';
import { brokenPromises, leftovers } from './checks.js';
import { Lab } from './lab.js';
import { randomOf } from './random.js';

const victims = ['agent', 'server', 'build'] as const;
export type Victim = (typeof victims)[number];

export interface Round {
  readonly round: number;
  readonly victim: Victim;
  /** After the jobs were handed in, in milliseconds. */
  readonly killedAfterMs: number;
  /** How each job ended, in the order of `jobsOf`. */
  readonly states: readonly string[];
  /** What was not kept of the promises; what was left. Both empty in a good round. */
  readonly broken: readonly string[];
  readonly left: readonly string[];
  readonly ms: number;
}

/** How long the jobs of a round may take to end, in milliseconds. */
const roundMs = 120_000;

/**
 * Kills agent, server or the main process of a build at random moments, round after round; each round ends with a
 * drain, the server's records checked and what is left counted. The seed repeats the choices, not the scheduling.
 */
export async function* storm(rounds: number, seed: number): AsyncGenerator<Round> {
  const random = randomOf(seed);
  await using lab = await Lab.open();
  for (let round = 1; round <= rounds; round += 1) {
    const victim = victims[Math.floor(random() * victims.length)] ?? 'agent';
    const killedAfterMs = Math.round(random() * 2_500);
    const awayMs = Math.round(random() * 600);
    yield await oneRound(lab, { round, victim, killedAfterMs, awayMs, seed });
  }
}

interface Plan {
  readonly round: number;
  readonly victim: Victim;
  readonly killedAfterMs: number;
  /** How long the victim stays away. */
  readonly awayMs: number;
  readonly seed: number;
}

async function oneRound(lab: Lab, plan: Plan): Promise<Round> {
  const { round, victim, killedAfterMs, awayMs, seed } = plan;
  const begin = performance.now();
  if (!lab.agent?.running) await lab.startAgent();
  const marker = `storm-${process.pid}-${seed}-${round}-`;
  const jobs = jobsOf(marker);
  const ids: string[] = [];
  for (const job of jobs) ids.push(await lab.submit(job));
  await delay(killedAfterMs);
  await kill(lab, victim, marker, awayMs);
  await lab.cancel(ids[1] ?? '').catch(() => {});
  await ended(lab, ids);
  const exitCode = await lab.agent?.end('SIGTERM');
  const broken = exitCode === 0 ? [] : [`the agent ended with ${exitCode}: ${lab.agent?.printed.slice(-2_000)}`];
  for (const [index, id] of ids.entries())
    broken.push(...(await brokenPromises(lab, id, jobs[index]?.onLost === 'requeue')));
  const left = await leftovers(lab, marker);
  const states = await Promise.all(ids.map(async (id) => (await lab.job(id)).state));
  return { round, victim, killedAfterMs, states, broken, left, ms: Math.round(performance.now() - begin) };
}

/** One that prints and has an artifact, one that is silent, has a child that leaves its group, and is cancelled, one that may run twice. */
function jobsOf(marker: string) {
  const count = 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.02; done; echo end';
  const env = { STORM: marker };
  return [
    {
      name: 'loud',
      env,
      steps: [{ run: `${count}; mkdir out; head -c 300000 /dev/urandom > out/random` }],
      artifacts: [{ name: 'out', paths: ['out'] }],
    },
    { name: 'silent', env, grace: 500, steps: [{ run: '(setsid sleep 900 &); sleep 900' }] },
    { name: 'again', env, onLost: 'requeue' as const, attempts: 5, steps: [{ run: count }] },
  ];
}

async function kill(lab: Lab, victim: Victim, marker: string, awayMs: number): Promise<void> {
  if (victim === 'build') {
    const seen = await processesWithMarker(marker);
    // The first is the oldest: what holds the sandbox of a build.
    const [first] = seen.toSorted((a, b) => a.pid - b.pid);
    if (first) killIfThere(first.pid);
    return;
  }
  await lab[victim]?.end('SIGKILL');
  await delay(awayMs);
  if (victim === 'server') await lab.startServer();
  else await lab.startAgent();
}

/** It may have ended in the meantime. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
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

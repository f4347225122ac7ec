import { randomOf } from './random.js';

export type Isolation = 'process' | 'docker';

/**
 * What goes wrong in a round. `agent`, `server`, `daemon`: SIGKILL, and started again. `upgrade`: SIGUSR2 leaves the
 * builds to the next agent. `build`: SIGKILL of a process of
 * a build. `frozen-agent`, `silent-server`: SIGSTOP, later SIGCONT. `memory`: a build takes more than its limit.
 * `disk`: the file system of the state directory is full for a while. `clock`: the wall clock of the agent or of the
 * server jumps, by up to a day, forth or back.
 */
export type Fault =
  | 'agent'
  | 'server'
  | 'daemon'
  | 'upgrade'
  | 'build'
  | 'frozen-agent'
  | 'silent-server'
  | 'memory'
  | 'disk'
  | 'clock';

const everywhere: readonly Fault[] = [
  'agent',
  'server',
  'build',
  'frozen-agent',
  'silent-server',
  'memory',
  'disk',
  'clock',
];

/** What can go wrong with an executor. */
export const faultsOf: Readonly<Record<Isolation, readonly Fault[]>> = {
  process: everywhere,
  docker: ['daemon', 'upgrade', ...everywhere],
};

export interface Plan {
  readonly round: number;
  readonly fault: Fault;
  /** After the jobs were handed in, in milliseconds. */
  readonly afterMs: number;
  /** How long it lasts, in milliseconds. */
  readonly forMs: number;
  /** When the job that is cancelled early is, after it was handed in, in milliseconds. */
  readonly cancelMs: number;
  /** Decides among what there is at that moment: from 0 up to but without 1. */
  readonly choice: number;
}

/** How long a fault lasts at most, in milliseconds; beyond the lease where somebody may believe the worker dead. */
const longest: Readonly<Record<Fault, number>> = {
  agent: 600,
  server: 600,
  daemon: 600,
  upgrade: 600,
  build: 0,
  'frozen-agent': 14_000,
  'silent-server': 14_000,
  memory: 0,
  disk: 3_000,
  clock: 2_000,
};

/** Rounds without end: the faults come in a random order, each as often as the others. The seed repeats them. */
export function* plansOf(faults: readonly Fault[], seed: number): Generator<Plan, never> {
  const random = randomOf(seed);
  for (let round = 1; ; ) {
    const order = faults.map((fault) => ({ fault, at: random() })).toSorted((a, b) => a.at - b.at);
    for (const { fault } of order) {
      yield {
        round,
        fault,
        afterMs: Math.round(random() * 2_500),
        forMs: Math.round(random() * longest[fault]),
        cancelMs: Math.round(random() * 400),
        choice: random(),
      };
      round += 1;
    }
  }
}

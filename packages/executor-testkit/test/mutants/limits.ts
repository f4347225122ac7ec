import type { ExecutorHost, LimitHit, ResourceLimits, StepExit, StepScope, StepSpec } from '@ritmo/agent-core/executor';
import { LimitedExecutor, type LimitedSandbox } from '../reference/limited.js';
import type { MarkedProcess } from '../reference/processes.js';
import type { ReferenceHome } from '../reference/sandbox.js';
import type { Mutant } from './mutant.js';

type Overstepped = LimitedExecutor['overstepped'];

/** A variant that looks at its limits differently. */
function withLimits(around: (overstepped: Overstepped) => Overstepped): typeof LimitedExecutor {
  return class extends LimitedExecutor {
    constructor(host: ExecutorHost, root: string) {
      super(host, root);
      this.overstepped = around(this.overstepped);
    }
  };
}

/** A variant that tells of the end of a step differently. */
function withExit(change: (exit: StepExit) => StepExit): typeof LimitedExecutor {
  return class extends LimitedExecutor {
    override sandboxOf(id: string, home: ReferenceHome): LimitedSandbox {
      const sandbox = super.sandboxOf(id, home);
      const run = sandbox.run.bind(sandbox);
      sandbox.run = async (step: StepSpec, scope: StepScope) => change(await run(step, scope));
      return sandbox;
    }
  };
}

async function eachAlone(
  overstepped: Overstepped,
  living: readonly MarkedProcess[],
  limits: ResourceLimits,
): Promise<LimitHit | undefined> {
  const hits = await Promise.all(living.map((one) => overstepped([one], limits)));
  return hits.find((hit) => hit !== undefined);
}

const without = (limits: ResourceLimits, name: keyof ResourceLimits): ResourceLimits =>
  Object.fromEntries(Object.entries(limits).filter(([key]) => key !== name));

/** Mutants of how limits are kept. */
export const limitMutants: readonly Mutant[] = [
  {
    wrong: 'declares a limit of memory and does not keep it',
    Executor: withLimits((overstepped) => (living, limits) => overstepped(living, without(limits, 'memoryBytes'))),
    caughtBy: ['limits.memory', 'limits.memory-of-all'],
  },
  {
    wrong: 'counts the memory of each process alone',
    Executor: withLimits(
      (overstepped) => async (living, limits) =>
        (await eachAlone(overstepped, living, { ...limits, pids: 1 })) ??
        (await overstepped(living, limits.pids === undefined ? {} : { pids: limits.pids })),
    ),
    caughtBy: ['limits.memory-of-all'],
  },
  {
    wrong: 'declares a limit of processes and does not keep it',
    Executor: withLimits((overstepped) => (living, limits) => overstepped(living, without(limits, 'pids'))),
    caughtBy: ['limits.pids'],
  },
  {
    wrong: 'ends what takes too much without a word of the limit',
    Executor: withExit((exit) => {
      if (exit.status !== 'exited' && exit.status !== 'signalled') return exit;
      const { limit: _, ...silent } = exit;
      return silent;
    }),
    caughtBy: ['limits.memory', 'limits.memory-of-all', 'limits.pids'],
  },
  {
    wrong: 'takes every step that was killed for one that had too little memory',
    Executor: withExit((exit) => (exit.status === 'signalled' ? { ...exit, limit: exit.limit ?? 'memory' } : exit)),
    caughtBy: ['limits.own-failure'],
  },
];

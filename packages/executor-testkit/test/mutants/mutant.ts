import type { OutputWriter, Sandbox, StepExit, StepScope, StepSpec } from '@ritmo/agent-core/executor';
import { ReferenceExecutor } from '../reference/executor.js';
import { ReferenceHome, ReferenceSandbox } from '../reference/sandbox.js';
import type { Tree } from '../reference/tree.js';

/** An executor that breaks one promise, and the cases that notice: the first is the one meant for it. */
export interface Mutant {
  /** What it does wrong, as a sentence without its subject. */
  readonly wrong: string;
  readonly Executor: typeof ReferenceExecutor;
  readonly caughtBy: readonly [string, ...string[]];
}

export type Run = (step: StepSpec, scope: StepScope) => Promise<StepExit>;

/** A variant whose steps run through `around`. */
export function withRun(around: (run: Run, home: ReferenceHome) => Run): typeof ReferenceExecutor {
  return withSandbox(
    (home) =>
      class extends ReferenceSandbox {
        override run(step: StepSpec, scope: StepScope): Promise<StepExit> {
          return around((a, b) => super.run(a, b), home)(step, scope);
        }
      },
  );
}

/** A variant whose steps write through another writer. */
export function withOutput(around: (output: OutputWriter) => OutputWriter): typeof ReferenceExecutor {
  return withRun((run) => (step, scope) => run(step, { ...scope, output: around(scope.output) }));
}

/** A variant that collects differently. */
export function withCollect(around: (collect: Sandbox['collect']) => Sandbox['collect']): typeof ReferenceExecutor {
  return withSandbox(
    () =>
      class extends ReferenceSandbox {
        override collect(...args: Parameters<Sandbox['collect']>): ReturnType<ReferenceSandbox['collect']> {
          return around((...given) => super.collect(...given))(...args) as ReturnType<ReferenceSandbox['collect']>;
        }
      },
  );
}

/** A variant with another kind of sandbox. */
export function withSandbox(variant: (home: ReferenceHome) => typeof ReferenceSandbox): typeof ReferenceExecutor {
  return class extends ReferenceExecutor {
    override sandboxOf(id: string, home: ReferenceHome): ReferenceSandbox {
      const Variant = variant(home);
      return new Variant(id, home);
    }
  };
}

/** A variant that follows its processes differently. */
export function withTree(Variant: typeof Tree): typeof ReferenceExecutor {
  class Home extends ReferenceHome {
    override tree(pid: number): Tree {
      return new Variant(pid, this.mark);
    }
  }
  return class extends ReferenceExecutor {
    override homeOf(id: string): ReferenceHome {
      const { folder, mark } = super.homeOf(id);
      return new Home(folder, mark);
    }
  };
}

import { expect, test } from 'vitest';
import type { Executor, Sandbox } from '@ritmo/agent-core/executor';
import { conformanceCases, runConformance } from '@ritmo/executor-testkit';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Witness } from './support/witness.js';

await makeBusyboxImage();

/** Wrong ways to recover, and the cases of the kit that notice. */
const mutants: ReadonlyArray<{ wrong: string; change: (sandbox: Sandbox) => void; caughtBy: readonly string[] }> = [
  {
    wrong: 'loses what was printed while there was no agent',
    change: (sandbox) => {
      const attach = sandbox.attach?.bind(sandbox);
      sandbox.attach = async (step, scope) => {
        let lost = false;
        const write: typeof scope.output.write = (stream, bytes) => {
          if (lost) return scope.output.write(stream, bytes);
          lost = true;
        };
        if (attach === undefined) throw new Error('no attach');
        return await attach(step, { ...scope, output: { write } });
      };
    },
    caughtBy: ['recovery.ended', 'recovery.running'],
  },
  {
    wrong: 'ends the step when it is left',
    change: (sandbox) => {
      sandbox.detach = async () => await sandbox[Symbol.asyncDispose]();
    },
    caughtBy: ['recovery.between', 'recovery.cancel', 'recovery.ended', 'recovery.running', 'recovery.sweep'],
  },
];

test.for(mutants)('the kit catches a docker executor that $wrong', async ({ change, caughtBy }) => {
  const witness = new Witness();
  const report = await runConformance(
    {
      name: 'a mutant',
      open: async (host) => changed(await witness.open(host), change),
      residue: (ownerId, stateDir) => Promise.resolve(witness.residue(ownerId, stateDir)),
      image: busyboxImage,
      timeScale: 2,
    },
    { cases: conformanceCases.filter(({ group }) => group === 'recovery') },
  );
  const failed = report.results.filter(({ status }) => status === 'failed').map(({ id }) => id);
  expect(failed.toSorted()).toEqual(caughtBy);
});

function changed(executor: Executor, change: (sandbox: Sandbox) => void): Executor {
  const prepare = executor.prepare.bind(executor);
  const recover = executor.recover?.bind(executor);
  executor.prepare = async (...args) => {
    const sandbox = await prepare(...args);
    change(sandbox);
    return sandbox;
  };
  executor.recover = async (...args) => {
    if (recover === undefined) throw new Error('no recover');
    const outcome = await recover(...args);
    if (outcome.outcome === 'adopted') change(outcome.sandbox);
    return outcome;
  };
  return executor;
}

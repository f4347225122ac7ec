import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { ExecutorWitness } from '../../../tests/support/executor-witness.js';
import { processExecutor } from '../src/index.js';

const witness = new ExecutorWitness();

for (const options of [{ level: 'sandbox', allowHostNetwork: true }, { level: 'bare' }] as const) {
  describeExecutor({
    name: `the process executor at the level ${options.level}`,
    open: (host) => witness.open(processExecutor(options), host),
    residue: (ownerId) => Promise.resolve(witness.residue(ownerId)),
  });
}

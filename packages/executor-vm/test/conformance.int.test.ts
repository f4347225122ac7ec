import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { ExecutorWitness } from '../../../tests/support/executor-witness.js';
import { vmExecutor } from '../src/index.js';
import { testOptions } from './support/bench.js';
import { imageName } from './support/image.js';

const witness = new ExecutorWitness();

describeExecutor({
  name: 'the vm executor',
  open: (host) => witness.open(vmExecutor(testOptions()), host),
  residue: (ownerId) => Promise.resolve(witness.residue(ownerId)),
  timeScale: 4,
  image: imageName,
});

import { ExecutorWitness } from '../../../../tests/support/executor-witness.js';
import { plugin } from '../../src/plugin.js';

const witness = new ExecutorWitness();

/** The executor as the kit's command takes it, with eyes beside it that see what is left. */
export default {
  ...plugin,
  create: (options: Parameters<typeof plugin.create>[0], host: Parameters<typeof plugin.create>[1]) =>
    witness.open({ name: plugin.name, open: async (given) => await plugin.create(options, given) }, host),
};

export const residue = (ownerId: string) => Promise.resolve(witness.residue(ownerId));

import type { ExecutorPlugin } from '@ritmo/agent-core/executor';
import { ReferenceExecutor } from './executor.js';
import { witnessOf } from './witness.js';

/** The reference executor as a plugin package would export it; its one option names a folder of its own. */
const plugin: ExecutorPlugin<{ root: string }> = {
  kind: 'ritmo.executor',
  name: 'reference',
  version: '1.2.3',
  contract: 1,
  options: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof (value as { root?: unknown }).root === 'string'
          ? { value: value as { root: string } }
          : { issues: [{ message: 'must be text', path: ['root'] }] },
    },
  },
  create: (options, host) => new ReferenceExecutor(host, options.root),
};
export default plugin;

/** Looks where the test that loads it has said. */
export const residue = (ownerId: string) => witnessOf(process.env['RITMO_REFERENCE_ROOT'] ?? '')(ownerId);

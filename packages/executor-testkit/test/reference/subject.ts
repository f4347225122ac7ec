import type { ConformanceSubject } from '../../src/index.js';
import { ReferenceExecutor } from './executor.js';
import { witnessOf } from './witness.js';

/** The reference executor, or a variant of it, over one root folder for all owners. */
export function referenceSubject(
  root: string,
  Variant: typeof ReferenceExecutor = ReferenceExecutor,
): ConformanceSubject {
  return {
    name: Variant.name,
    open: (host) => Promise.resolve(new Variant(host, root)),
    residue: witnessOf(root),
  };
}

import { Workbench as Bench } from '../../../../tests/support/workbench.js';
import { processExecutor, type ProcessExecutorOptions } from '../../src/index.js';

export { hostIn, outputScope, scope, sh } from '../../../../tests/support/workbench.js';

/** One open process executor in a folder of its own, and sandboxes of it. */
export type Workbench = Bench;
export const Workbench = { open: (options: ProcessExecutorOptions = {}) => Bench.open(processExecutor(options)) };

import type { ExecutorPlugin } from '@ritmo/agent-core/executor';
import { executorName, openRootfsExecutor } from './executor.js';
import { optionsSchema, type RootfsOptions } from './options.js';

/** What `--isolation=ritmo-executor-rootfs` loads: static data, and a way to open an executor. */
const plugin: ExecutorPlugin<RootfsOptions> = {
  kind: 'ritmo.executor',
  name: executorName,
  version: '0.1.0',
  contract: 1,
  options: optionsSchema,
  create: openRootfsExecutor,
};
export default plugin;

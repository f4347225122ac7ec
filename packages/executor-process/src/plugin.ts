import { bindOptions, type ExecutorBinding, type ExecutorPlugin } from '@ritmo/agent-core/executor';
import { openProcessExecutor } from './executor.js';
import { optionsSchema, type ProcessExecutorOptions, type ResolvedOptions } from './options.js';

export const executorName = 'process';
export const executorVersion = '0.1.0';

/** Runs jobs as processes of this host: in a bubblewrap sandbox, or bare where the operator says so by name. */
export const plugin: ExecutorPlugin<ResolvedOptions> = {
  kind: 'ritmo.executor',
  name: executorName,
  version: executorVersion,
  contract: 1,
  options: optionsSchema,
  create: openProcessExecutor,
};

/** Throws RITMO_USAGE for wrong options; `open` rejects with RITMO_EXECUTOR_UNAVAILABLE where they cannot be met. */
export function processExecutor(options: ProcessExecutorOptions = {}): ExecutorBinding {
  return bindOptions(plugin, options);
}

import { bindOptions, type ExecutorBinding, type ExecutorPlugin } from '@ritmo/agent-core/executor';
import { openDockerExecutor } from './executor.js';
import { type DockerExecutorOptions, optionsSchema, type ResolvedOptions } from './options.js';

export const executorName = 'docker';
export const executorVersion = '0.1.0';

/** Runs each job in a container of its own. */
export const plugin: ExecutorPlugin<ResolvedOptions> = {
  kind: 'ritmo.executor',
  name: executorName,
  version: executorVersion,
  contract: 1,
  options: optionsSchema,
  create: openDockerExecutor,
};

/** Throws RITMO_USAGE for wrong options; `open` rejects with RITMO_EXECUTOR_UNAVAILABLE where they cannot be met. */
export function dockerExecutor(options: DockerExecutorOptions = {}): ExecutorBinding {
  return bindOptions(plugin, options);
}

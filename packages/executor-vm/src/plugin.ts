import { type ExecutorBinding, type ExecutorPlugin, RitmoError } from '@ritmo/agent-core/executor';
import { openVmExecutor } from './executor.js';
import { optionsSchema, type ResolvedOptions, type VmExecutorOptions } from './options.js';

export const executorName = 'vm';
export const executorVersion = '0.1.0';

/** Runs each job in a throw-away virtual machine of its own. */
export const plugin: ExecutorPlugin<ResolvedOptions> = {
  kind: 'ritmo.executor',
  name: executorName,
  version: executorVersion,
  contract: 1,
  options: optionsSchema,
  create: openVmExecutor,
};

/** Throws RITMO_USAGE for wrong options; `open` rejects with RITMO_EXECUTOR_UNAVAILABLE where they cannot be met. */
export function vmExecutor(options: VmExecutorOptions = {}): ExecutorBinding {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new RitmoError('RITMO_USAGE', `Options of the vm executor are wrong: ${problems.join('; ')}.`);
  }
  return { name: executorName, open: (host) => openVmExecutor(parsed.data, host) };
}

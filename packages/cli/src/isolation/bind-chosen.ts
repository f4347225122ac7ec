import { type ExecutorBinding, RitmoError } from '@ritmo/agent-core/executor';
import { executorOptions, type ExecutorSettings, isolationNames, refuseUnusedOptions } from './executor-options.js';
import { bindIsolations } from './load.js';

/**
 * The executors that the settings name, with their options; docker where they name none, and then an error that it cannot
 * be had names what else there is.
 * @throws RITMO_PLUGIN_INVALID, RITMO_USAGE
 */
export async function bindChosen(settings: ExecutorSettings): Promise<ExecutorBinding[]> {
  const bindings = await bindIsolations(isolationNames(settings), executorOptions(settings));
  refuseUnusedOptions(
    settings,
    bindings.map(({ name }) => name),
  );
  return settings.isolation.length === 0 ? bindings.map(namingOthers) : bindings;
}

function namingOthers(binding: ExecutorBinding): ExecutorBinding {
  return {
    name: binding.name,
    open: async (host) => {
      try {
        return await binding.open(host);
      } catch (error) {
        if (!(error instanceof RitmoError) || error.code !== 'RITMO_EXECUTOR_UNAVAILABLE') throw error;
        throw new RitmoError(error.code, error.message, {
          cause: error,
          hint: `${error.hint} Or choose another isolation: --isolation process, or vm.`,
        });
      }
    },
  };
}

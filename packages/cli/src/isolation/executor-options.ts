import type { executorKeys } from '../options/groups.js';
import { bindingOf } from '../options/kinds.js';
import type { Settings } from '../options/table.js';

export type ExecutorSettings = Settings<(typeof executorKeys)[number]>;

/**
 * What an executor is given: for the process executor what the flags say, and for each what `--executor-options` says
 * of it, which wins.
 */
export function executorOptions(settings: ExecutorSettings): (pluginName: string) => unknown {
  return (pluginName) => {
    const own = settings.executorOptions[pluginName];
    const named = typeof own === 'object' ? own : {};
    return pluginName === 'process' ? { ...processOptions(settings), ...named } : named;
  };
}

function processOptions({ processIsolation, allowHostNetwork, bind, toolPath }: ExecutorSettings) {
  const binds: Array<{ source: string; target?: string; access?: string }> = bind.flatMap(
    (text) => bindingOf(text) ?? [],
  );
  // A tool folder must be seen to be used; the system's own are there already.
  const seen = ['/usr', ...binds.map(({ source, target = source }) => target)];
  const unseen = toolPath.filter((path) => !seen.some((folder) => path === folder || path.startsWith(`${folder}/`)));
  return {
    level: processIsolation,
    allowHostNetwork,
    binds: [...binds, ...unseen.map((source) => ({ source }))],
    toolPaths: toolPath,
  };
}

/** Executors by name; docker where none is named. */
export function isolationNames({ isolation }: ExecutorSettings): readonly string[] {
  return isolation.length === 0 ? ['docker'] : isolation;
}

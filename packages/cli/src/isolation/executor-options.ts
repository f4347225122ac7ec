import { RitmoError } from '@ritmo/agent-core/executor';
import { nearest } from '@ritmo/protocol';
import type { executorKeys } from '../options/groups.js';
import { bindingOf } from '../options/kinds.js';
import type { Settings } from '../options/table.js';
import { builtInIsolations } from './load.js';

export type ExecutorSettings = Settings<(typeof executorKeys)[number]>;

/**
 * What an executor is given: what the flags say, as far as it knows such a thing, and what `--executor-options` says of
 * it, which wins.
 */
export function executorOptions(settings: ExecutorSettings): (pluginName: string) => unknown {
  return (pluginName) => {
    const own = settings.executorOptions[pluginName];
    const named = typeof own === 'object' ? own : {};
    if (pluginName === 'process') return { ...processOptions(settings), ...named };
    return pluginName === 'docker' ? { ...dockerOptions(settings), ...named } : named;
  };
}

/**
 * Options for an executor that is neither one of `names` nor comes with Ritmo would do nothing.
 * @throws RITMO_USAGE
 */
export function refuseUnusedOptions({ executorOptions: given }: ExecutorSettings, names: readonly string[]): void {
  const known = [...new Set([...names, ...builtInIsolations])];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  throw new RitmoError('RITMO_USAGE', `--executor-options: there is no executor ${JSON.stringify(unknown)} here.`, {
    hint: meant === undefined ? `There are: ${known.join(', ')}.` : `Did you mean ${meant}?`,
  });
}

const bindsOf = (texts: readonly string[]) => texts.flatMap((text) => bindingOf(text) ?? []);

/** Only what was said: an operator's own `binds` are not to be emptied by a flag that nobody gave. */
function dockerOptions({ allowHostNetwork, bind }: ExecutorSettings) {
  return { ...(allowHostNetwork && { allowHostNetwork }), ...(bind.length > 0 && { binds: bindsOf(bind) }) };
}

function processOptions({ processIsolation, allowHostNetwork, bind, toolPath }: ExecutorSettings) {
  const binds: Array<{ source: string; target?: string; access?: string }> = bindsOf(bind);
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

import { bindExecutor, loadExecutor } from '@ritmo/agent-core';
import { type ExecutorBinding, type ExecutorPlugin, RitmoError } from '@ritmo/agent-core/executor';
import { nearest } from '@ritmo/protocol';
import { type Import, importFile, importPackage } from '../import-package.js';

/** Packages behind the short names of `--isolation`. */
const builtIn: Readonly<Record<string, string>> = {
  docker: '@ritmo/executor-docker',
  process: '@ritmo/executor-process',
  vm: '@ritmo/executor-vm',
};

/** Isolations that come with Ritmo, by their short names. */
export const builtInIsolations: readonly string[] = Object.keys(builtIn);

/**
 * The executor plugin behind a name: one of ours, a package that is installed beside this program or in the
 * current folder, or a file (`./plugin.js`, with a leading `./`, `../` or `/`).
 * @throws RITMO_PLUGIN_INVALID
 */
export async function loadIsolation(name: string, load?: Import): Promise<ExecutorPlugin> {
  if (/^\.{0,2}\//.test(name)) return loadExecutor((await importFile(name, load))['default'], name);
  const packageName = builtIn[name] ?? name;
  if (!/^(@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~][a-z0-9-._~]*$/.test(packageName))
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `${JSON.stringify(name)} is neither an isolation nor a package name.`,
      {
        hint: `Built in are ${builtInIsolations.join(', ')}; a file is written ./plugin.js.`,
      },
    );
  const module = await importPackage(packageName, load);
  if (module === undefined) throw missing(name, packageName);
  return loadExecutor(module['default'], packageName);
}

/**
 * The executors of some names with their options, ready for an agent.
 * @throws RITMO_PLUGIN_INVALID, RITMO_USAGE
 */
export async function bindIsolations(
  names: readonly string[],
  optionsOf: (pluginName: string) => unknown,
  load?: Import,
): Promise<ExecutorBinding[]> {
  const bindings: ExecutorBinding[] = [];
  for (const name of names) {
    const plugin = await loadIsolation(name, load);
    bindings.push(await bindWithOptions(plugin, optionsOf(plugin.name)));
  }
  return bindings;
}

/**
 * Options go by the name of the plugin, which need not be that of its package: who errs is told it.
 * @throws RITMO_USAGE
 */
export async function bindWithOptions(plugin: ExecutorPlugin, options: unknown): Promise<ExecutorBinding> {
  try {
    return await bindExecutor(plugin, options);
  } catch (error) {
    if (!(error instanceof RitmoError) || error.code !== 'RITMO_USAGE') throw error;
    throw new RitmoError('RITMO_USAGE', error.message, {
      cause: error,
      hint: `Its options are given as --executor-options '${plugin.name}={…}', or below executorOptions: ${plugin.name}.`,
    });
  }
}

function missing(name: string, packageName: string): RitmoError {
  const meant = name === packageName ? nearest(name, builtInIsolations) : undefined;
  if (meant !== undefined)
    return new RitmoError('RITMO_PLUGIN_INVALID', `There is no isolation ${name}, and no package of that name here.`, {
      hint: `Did you mean ${meant}?`,
    });
  const instead = name === 'process' ? '' : ', or use `--isolation process`';
  return new RitmoError('RITMO_PLUGIN_INVALID', `The package ${packageName} is not installed.`, {
    hint: `Install it beside ritmo-agent (npm install ${packageName})${instead}.`,
  });
}

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bindExecutor, loadExecutor } from '@ritmo/agent-core';
import { type ExecutorBinding, type ExecutorPlugin, RitmoError } from '@ritmo/agent-core/executor';

/** Packages behind the short names of `--isolation`. */
const builtIn: Readonly<Record<string, string>> = {
  docker: '@ritmo/executor-docker',
  process: '@ritmo/executor-process',
  vm: '@ritmo/executor-vm',
};

/** Isolations that come with Ritmo, by their short names. */
export const builtInIsolations: readonly string[] = Object.keys(builtIn);

export type Import = (specifier: string) => Promise<{ readonly default?: unknown }>;

const importPackage: Import = (specifier) => import(specifier);

/**
 * The executor plugin behind a name: one of ours, or a package that is installed beside this program or in the
 * current folder.
 * @throws RITMO_PLUGIN_INVALID
 */
export async function loadIsolation(name: string, load: Import = importPackage): Promise<ExecutorPlugin> {
  const packageName = builtIn[name] ?? name;
  if (!/^(@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~][a-z0-9-._~]*$/.test(packageName))
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `${JSON.stringify(name)} is neither an isolation nor a package name.`,
      {
        hint: `Built in are ${builtInIsolations.join(', ')}.`,
      },
    );
  const module = await importFrom(packageName, load);
  if (module === undefined) throw missing(name, packageName);
  return loadExecutor(module.default, packageName);
}

/**
 * The executors of some names with their options, ready for an agent.
 * @throws RITMO_PLUGIN_INVALID, RITMO_USAGE
 */
export async function bindIsolations(
  names: readonly string[],
  optionsOf: (pluginName: string) => unknown,
  load: Import = importPackage,
): Promise<ExecutorBinding[]> {
  const bindings: ExecutorBinding[] = [];
  for (const name of names) {
    const plugin = await loadIsolation(name, load);
    bindings.push(await bindExecutor(plugin, optionsOf(plugin.name)));
  }
  return bindings;
}

async function importFrom(packageName: string, load: Import): Promise<{ readonly default?: unknown } | undefined> {
  try {
    return await load(packageName);
  } catch (error) {
    if (!isMissing(error, packageName)) throw broken(packageName, error);
  }
  const here = resolveIn(process.cwd(), packageName);
  if (here === undefined) return undefined;
  try {
    return await load(pathToFileURL(here).href);
  } catch (error) {
    throw broken(packageName, error);
  }
}

/** Where a package lies that the current folder depends on; undefined where it does not. */
function resolveIn(folder: string, packageName: string): string | undefined {
  try {
    return createRequire(join(folder, 'package.json')).resolve(packageName);
  } catch {
    return undefined;
  }
}

/** Whether the package itself is not there; one of its own imports that is missing is a broken package. */
function isMissing(error: unknown, packageName: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    error.message.includes(`'${packageName}'`)
  );
}

function broken(packageName: string, error: unknown): RitmoError {
  if (error instanceof RitmoError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RitmoError('RITMO_PLUGIN_INVALID', `The package ${packageName} cannot be loaded: ${reason}.`, {
    cause: error,
  });
}

function missing(name: string, packageName: string): RitmoError {
  const isolation = builtInIsolations.includes(name)
    ? `The isolation ${name} needs the package ${packageName}, which`
    : `The package ${packageName}`;
  const instead = name === 'process' ? '' : ', or use `--isolation process`';
  return new RitmoError('RITMO_PLUGIN_INVALID', `${isolation} is not installed.`, {
    hint: `Install it beside ritmo-agent (npm install ${packageName})${instead}.`,
  });
}

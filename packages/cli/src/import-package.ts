import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RitmoError } from '@ritmo/agent-core/executor';

export type Import = (specifier: string) => Promise<Readonly<Record<string, unknown>>>;

const importModule: Import = (specifier) => import(specifier);

/**
 * A package that is installed beside this program or in the current folder; undefined where it is in neither.
 * @throws RITMO_PLUGIN_INVALID where it cannot be loaded
 */
export async function importPackage(
  packageName: string,
  load: Import = importModule,
): Promise<Readonly<Record<string, unknown>> | undefined> {
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

export type Find = (packageName: string) => Promise<Readonly<Record<string, unknown>> | undefined>;

/**
 * A package that only some need, and install beside this program. `needed` says by what, as the start of a sentence.
 * @throws RITMO_PLUGIN_INVALID where it is not installed or cannot be loaded
 */
export async function optionalPackage(
  packageName: string,
  needed: string,
  find: Find = importPackage,
): Promise<Readonly<Record<string, unknown>>> {
  const module = await find(packageName);
  if (module !== undefined) return module;
  throw new RitmoError('RITMO_PLUGIN_INVALID', `${needed} needs the package ${packageName}, which is not installed.`, {
    hint: `Install it beside ritmo-agent (npm install ${packageName}).`,
  });
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

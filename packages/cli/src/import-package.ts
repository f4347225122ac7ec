import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
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

/**
 * A file of this host, its path relative to the current folder.
 * @throws RITMO_PLUGIN_INVALID where it is not there or cannot be loaded
 */
export async function importFile(
  path: string,
  load: Import = importModule,
): Promise<Readonly<Record<string, unknown>>> {
  const file = resolve(path);
  if (
    !(await stat(file).then(
      (found) => found.isFile(),
      () => false,
    ))
  )
    throw new RitmoError('RITMO_PLUGIN_INVALID', `${path} is no file.`, {
      hint: 'Name the JavaScript file whose default export is the plugin.',
    });
  try {
    return await load(pathToFileURL(file).href);
  } catch (error) {
    throw broken(path, error);
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

function broken(name: string, error: unknown): RitmoError {
  if (error instanceof RitmoError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const what = /^\.{0,2}\//.test(name) ? name : `The package ${name}`;
  return new RitmoError('RITMO_PLUGIN_INVALID', `${what} cannot be loaded: ${reason}.`, {
    cause: error,
    hint: 'What it says of itself: the plugin has to be mended, or what it imports installed beside it.',
  });
}

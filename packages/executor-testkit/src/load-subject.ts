import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ExecutorPlugin, RitmoError, type SchemaResult } from '@ritmo/agent-core/executor';
import type { ConformanceSubject } from './subject.js';

export interface SubjectSource {
  /** A path (with a slash) or the name of a package, found from the working directory. */
  readonly plugin: string;
  /** JSON file with the options of the plugin; `{}` where absent. */
  readonly options?: string | undefined;
  /** Module that exports `residue`; the plugin's own where absent. */
  readonly witness?: string | undefined;
}

type Residue = ConformanceSubject['residue'];

/** Makes a subject of an executor package. Rejects with RITMO_USAGE or RITMO_PLUGIN_INVALID. */
export async function loadSubject(
  source: SubjectSource,
): Promise<Pick<ConformanceSubject, 'name' | 'open' | 'residue'>> {
  const module = await load(source.plugin);
  const plugin = pluginOf(module['default'], source.plugin);
  const options = await readOptions(source.options);
  const checked: SchemaResult<unknown> = await plugin.options['~standard'].validate(options);
  if (checked.issues !== undefined) {
    const issues = checked.issues.map((issue) => `${pathOf(issue.path)}${issue.message}`);
    throw new RitmoError('RITMO_USAGE', `The options do not fit ${plugin.name}: ${issues.join('; ')}.`, {
      hint: 'Give them with --options FILE, a file with one JSON object.',
    });
  }
  const witness = source.witness === undefined ? module : await load(source.witness);
  return {
    name: `${plugin.name} ${plugin.version}`,
    open: async (host) => plugin.create(checked.value, host),
    residue: residueOf(witness['residue'], source.witness ?? source.plugin),
  };
}

const isPath = (name: string) => name.includes('/') && !name.startsWith('@');

async function load(name: string): Promise<Readonly<Record<string, unknown>>> {
  let found = false;
  try {
    const file = isPath(name) ? resolve(name) : createRequire(resolve('here.js')).resolve(name);
    await access(file);
    found = true;
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    const message = `${name} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
    throw new RitmoError('RITMO_PLUGIN_INVALID', message, {
      cause: error,
      hint: found
        ? 'It is there, and fails when it is imported. TypeScript needs a loader: NODE_OPTIONS="--import tsx".'
        : isPath(name)
          ? 'Check the path; what is compiled has to be built first.'
          : 'Give a path with a slash in it (./plugin.js), or a package that is installed here.',
    });
  }
}

function pluginOf(value: unknown, name: string): ExecutorPlugin {
  const plugin = value as Partial<ExecutorPlugin> | undefined;
  if (plugin?.kind !== 'ritmo.executor' || typeof plugin.create !== 'function' || plugin.options === undefined) {
    const message = `The default export of ${name} is not an executor plugin.`;
    throw new RitmoError('RITMO_PLUGIN_INVALID', message, {
      hint: 'See ExecutorPlugin in @ritmo/agent-core/executor.',
    });
  }
  if (plugin.contract !== 1) {
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `${name} was written for contract ${String(plugin.contract)}, not for 1.`,
    );
  }
  return plugin as ExecutorPlugin;
}

function residueOf(value: unknown, name: string): Residue {
  if (typeof value === 'function') return value as Residue;
  throw new RitmoError('RITMO_USAGE', `${name} exports no function residue(ownerId).`, {
    hint: 'Without a witness that names what is left of an owner nothing is proved: give one with --witness FILE.',
  });
}

async function readOptions(path: string | undefined): Promise<unknown> {
  if (path === undefined) return {};
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const message = `The options in ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new RitmoError('RITMO_USAGE', message, { cause: error, hint: 'Give a file with one JSON object.' });
  }
}

function pathOf(path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined): string {
  const keys = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  return keys.length === 0 ? '' : `${keys.join('.')}: `;
}

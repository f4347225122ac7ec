import { isCode, RitmoError } from '../errors.js';
import type { ExecutorHost } from './host.js';
import type { Executor, ExecutorBinding, ExecutorPlugin, SchemaResult } from './plugin.js';

type Issue = NonNullable<SchemaResult<unknown>['issues']>[number];

/** Contract revisions that this core serves. */
const servedContracts: readonly number[] = [1];

/**
 * Checks the default export of an executor package.
 * @throws RITMO_PLUGIN_INVALID
 */
export function loadExecutor(exported: unknown, from: string): ExecutorPlugin {
  const plugin = exported as Partial<ExecutorPlugin> | null | undefined;
  if (typeof plugin !== 'object' || plugin === null || plugin.kind !== 'ritmo.executor') {
    throw new RitmoError('RITMO_PLUGIN_INVALID', `${from} has no Ritmo executor as its default export.`, {
      hint: "An executor package exports `{ kind: 'ritmo.executor', … }` as default.",
    });
  }
  if (!servedContracts.includes(plugin.contract as number)) {
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `${from} was written for contract ${String(plugin.contract)}; this agent serves ${servedContracts.join(', ')}.`,
    );
  }
  if (
    typeof plugin.name !== 'string' ||
    typeof plugin.create !== 'function' ||
    typeof plugin.options?.['~standard']?.validate !== 'function'
  ) {
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `The executor of ${from} lacks a name, an options schema or create().`,
    );
  }
  return plugin as ExecutorPlugin;
}

/**
 * A plugin with the options that the operator gave.
 * @throws RITMO_USAGE with everything that is wrong with the options.
 */
export async function bindExecutor<Options>(
  plugin: ExecutorPlugin<Options>,
  options: unknown,
): Promise<ExecutorBinding> {
  return bound(plugin, await plugin.options['~standard'].validate(options));
}

/**
 * The same at once, for the function that an executor package exports beside its plugin: `dockerExecutor({…})`.
 * @throws RITMO_USAGE with everything that is wrong with the options.
 */
export function bindOptions<Options>(plugin: ExecutorPlugin<Options>, options: unknown): ExecutorBinding {
  const result = plugin.options['~standard'].validate(options);
  if (result instanceof Promise) {
    throw new RitmoError(
      'RITMO_PLUGIN_INVALID',
      `The options of the ${plugin.name} executor cannot be checked at once.`,
    );
  }
  return bound(plugin, result);
}

function bound<Options>(plugin: ExecutorPlugin<Options>, result: SchemaResult<Options>): ExecutorBinding {
  if (result.issues) {
    const problems = [...new Set(result.issues.map(problemOf))].join('; ');
    throw new RitmoError('RITMO_USAGE', `The options of the ${plugin.name} executor are wrong: ${problems}.`, {
      hint: 'The documentation of the executor lists its options.',
    });
  }
  return { name: plugin.name, open: (host) => open(plugin, result.value, host) };
}

/** What a plugin throws that is no error of ours says nothing to an operator without the name of its executor. */
async function open<Options>(plugin: ExecutorPlugin<Options>, options: Options, host: ExecutorHost): Promise<Executor> {
  try {
    return await plugin.create(options, host);
  } catch (error) {
    // A plugin need not have our class of errors to give a code.
    if (error instanceof Error && 'code' in error && isCode(String(error.code))) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The ${plugin.name} executor could not be made: ${message}`, {
      cause: error,
    });
  }
}

function problemOf({ path, message }: Issue): string {
  const keys = path?.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return keys ? `${keys}: ${message}` : message;
}

import { RitmoError } from '@ritmo/agent-core/executor';
import { describeIssue } from '@ritmo/protocol';
import type { z } from 'zod';
import { readConfigFile } from './config-file.js';
import type { Option } from './kinds.js';
import { flagOf, type OptionKey, options, type Settings, variableOf } from './table.js';

/** What stood on the command line, by key: the texts of a flag in their order. */
export type Flags = Readonly<Partial<Record<OptionKey, readonly string[]>>>;

/**
 * The settings of a command. A flag wins over its variable, the variable over the config file, that over the default.
 * An empty variable is none.
 * @throws RITMO_USAGE with everything that is wrong
 */
export async function resolveSettings<Key extends OptionKey>(
  keys: readonly Key[],
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Settings<Key>> {
  const configPath = flags.config?.at(-1) ?? env[variableOf('config')];
  const file = configPath ? await readConfigFile(configPath) : new Map<OptionKey, unknown>();
  const problems: string[] = [];
  const settings: Partial<Record<OptionKey, unknown>> = {};
  for (const key of keys) {
    const given = textsOf(key, flags, env);
    if (given === undefined && file.has(key)) {
      settings[key] = file.get(key);
      continue;
    }
    const { schema, fromTexts } = options[key];
    const result = schema.safeParse(given === undefined ? undefined : fromTexts(given.texts), { error: describeIssue });
    if (result.success) settings[key] = result.data;
    else
      for (const issue of result.error.issues)
        problems.push(`${given?.from ?? key}: ${sentence(issue, options[key], given?.texts ?? [])}`);
  }
  if (problems.length === 1) throw new RitmoError('RITMO_USAGE', `${problems[0]}.`);
  if (problems.length > 1)
    throw new RitmoError('RITMO_USAGE', `${problems.length} settings are wrong:\n${problems.join('\n')}`);
  // Each key of `keys` was given the output of its own schema.
  return settings as Settings<Key>;
}

function textsOf(key: OptionKey, flags: Flags, env: Readonly<Record<string, string | undefined>>) {
  const texts = flags[key];
  if (texts !== undefined) return { texts, from: `--${flagOf(key)}` };
  const variable = env[variableOf(key)];
  if (variable === undefined || variable === '') return undefined;
  const option: Option = options[key];
  return { texts: option.fromVariable?.(variable) ?? [variable], from: variableOf(key) };
}

function sentence(issue: z.core.$ZodIssue, option: Option, texts: readonly string[]): string {
  const { code, path } = issue;
  const message = code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  // A list where a map was wanted: what could not be cut in two.
  if (code === 'invalid_type' && path.length === 0 && option.value?.includes('='))
    return `must be written ${option.value}`;
  // One of a list: what it says, rather than its number.
  const [index] = path;
  if (path.length === 1 && typeof index === 'number') return `${JSON.stringify(texts[index] ?? index)} ${message}`;
  return path.length === 0 ? message : `${path.map(String).join('.')} ${message}`;
}

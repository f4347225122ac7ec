import { RitmoError } from '@ritmo/agent-core/executor';
import { formatProblems, parseYamlFile } from '@ritmo/protocol';
import { z } from 'zod';
import { readText } from '../read-text.js';
import { fileKeys, type OptionKey, options } from './table.js';

/** The config file: every key optional, no other key allowed. */
export const configSchema = z.strictObject(
  Object.fromEntries(fileKeys.map((key) => [key, z.optional<z.ZodType>(options[key].schema)])),
);

/**
 * Reads the config file; what it does not name is absent.
 * @throws RITMO_USAGE with every mistake and its line
 */
export async function readConfigFile(path: string): Promise<ReadonlyMap<OptionKey, unknown>> {
  const text = await readText(path, 'config file');
  const given = new Set<string>();
  const result = parseYamlFile(text, configSchema, (value) => {
    if (typeof value === 'object' && value !== null) for (const key of Object.keys(value)) given.add(key);
    return value;
  });
  if (!result.ok)
    throw new RitmoError('RITMO_USAGE', `The config file has mistakes:\n${formatProblems(result.problems, path)}`, {
      hint: 'Each key is the name of a flag, written likeThis; see `ritmo-agent --help`.',
    });
  return new Map(fileKeys.filter((key) => given.has(key)).map((key) => [key, result.value[key]]));
}

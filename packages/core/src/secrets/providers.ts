import { secretName } from '@ritmo/protocol';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { RitmoError } from '../errors.js';
import type { SecretProvider } from './provider.js';

const longestValue = 131_072;

/** Values that are known beforehand, by name. */
export function staticSecrets(values: Readonly<Record<string, string>>): SecretProvider {
  const known = new Map(Object.entries(values));
  return { name: 'static', get: ({ name }) => Promise.resolve(known.get(name)) };
}

/** Variables of this process, or of `environment`. */
export function environmentSecrets(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): SecretProvider {
  return { name: 'environment', get: ({ name }) => Promise.resolve(environment[name]) };
}

/** A folder with one file for each secret, named as it and read each time; its bytes are the value as they are. */
export function folderSecrets(folder: string): SecretProvider {
  return {
    name: `folder ${folder}`,
    async get({ name }) {
      return secretName.safeParse(name).success ? readValue(join(folder, name)) : undefined;
    },
  };
}

async function readValue(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const stat = await file.stat();
    if (!stat.isFile()) throw new RitmoError('RITMO_USAGE', `${path} is no file.`);
    if (stat.size > longestValue) throw new RitmoError('RITMO_USAGE', `${path} is larger than 128 KiB.`);
    return utf8(await file.readFile());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (error instanceof RitmoError) throw error;
    throw new RitmoError('RITMO_USAGE', `${path} cannot be read (${code ?? 'unknown error'}).`, { cause: error });
  }
}

/** The text of a value. Its bytes are not repeated in the error. */
export function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RitmoError('RITMO_USAGE', 'The value is not UTF-8.');
  }
}

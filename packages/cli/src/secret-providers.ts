import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import {
  commandSecrets,
  environmentSecrets,
  folderSecrets,
  RitmoError,
  type SecretProvider,
  type SecretSource,
} from '@ritmo/agent-core';

export interface SecretProviderSettings {
  readonly secretProvider: readonly string[];
  readonly allowSecret: readonly string[];
}

/**
 * Where a worker has secrets of its own, and which of them jobs may have.
 * @throws RITMO_USAGE
 */
export function secretSource({ secretProvider, allowSecret }: SecretProviderSettings): SecretSource {
  const providers = secretProvider.map(provider);
  if (providers.length > 0 && allowSecret.length === 0)
    throw new RitmoError('RITMO_USAGE', '--secret-provider serves nothing without --allow-secret.', {
      hint: 'Name each secret that jobs may have: --allow-secret NAME.',
    });
  if (providers.length === 0 && allowSecret.length > 0)
    throw new RitmoError('RITMO_USAGE', '--allow-secret says nothing without --secret-provider.', {
      hint: 'Say where the values are had, for example --secret-provider environment.',
    });
  return { providers, allow: allowSecret };
}

function provider(text: string): SecretProvider {
  const kind = text.split(':', 1)[0] ?? '';
  const path = text.slice(kind.length + 1);
  if (text === 'environment') return environmentSecrets();
  if (kind === 'folder' && path !== '') {
    requireThere(text, path, 'folder');
    return folderSecrets(resolve(path));
  }
  if (kind === 'command' && path !== '') {
    if (!isAbsolute(path))
      throw new RitmoError('RITMO_USAGE', `--secret-provider ${text}: the program must be an absolute path.`);
    requireThere(text, path, 'program');
    return commandSecrets([path]);
  }
  throw new RitmoError('RITMO_USAGE', `--secret-provider ${JSON.stringify(text)} is no provider.`, {
    hint: 'There are: environment, folder:DIR, command:PROGRAM.',
  });
}

function kindOf(path: string): 'folder' | 'program' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'program';
  } catch {
    return undefined;
  }
}

/** What is not there at the start would be told to each job that names a secret, and to nobody before. */
function requireThere(text: string, path: string, what: 'folder' | 'program'): void {
  if (kindOf(path) === what) return;
  throw new RitmoError('RITMO_USAGE', `--secret-provider ${text}: there is no such ${what}.`, {
    hint: 'Check the path.',
  });
}

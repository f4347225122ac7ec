import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { reasons } from '../read-text.js';

export interface TokenPlace {
  /** `--token-file`, which wins. */
  readonly tokenFile: string | undefined;
  /** Data folder of a server on this machine; undefined where the server is elsewhere. */
  readonly dataDir: string | undefined;
  readonly role: 'user' | 'registration';
}

/**
 * The token for the API server.
 * @throws RITMO_UNAUTHORIZED where none can be found or read
 */
export async function findToken({ tokenFile, dataDir, role }: TokenPlace): Promise<string> {
  if (tokenFile !== undefined) return read(tokenFile);
  if (dataDir !== undefined) return read(join(dataDir, `${role}.token`));
  throw new RitmoError('RITMO_UNAUTHORIZED', `No ${role} token was given for the API server.`, {
    hint: 'Give the file that holds it with --token-file or RITMO_TOKEN_FILE.',
  });
}

async function read(path: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const reason = reasons[code] ?? 'cannot be read';
    throw new RitmoError('RITMO_UNAUTHORIZED', `The token file ${path} ${reason}.`, {
      cause: error,
      hint: 'Start a server on this machine with `ritmo-agent api-server`, or give the token of another with --token-file.',
    });
  }
  if (!/^[\x21-\x7e]{8,4096}$/.test(token))
    throw new RitmoError('RITMO_UNAUTHORIZED', `The token file ${path} does not hold a token.`);
  return token;
}

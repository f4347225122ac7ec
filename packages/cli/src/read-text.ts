import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { nearest } from '@ritmo/protocol';

/** Why a file cannot be read, by the code of the error. */
export const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a folder',
  ENOTDIR: 'is not there',
};

/**
 * A file that the user named, as UTF-8.
 * @param what what it should be, for the sentence: `The job file x.yaml is not there.`
 * @throws RITMO_USAGE where it cannot be read, or is larger than 1 MiB
 */
export async function readText(path: string, what: string): Promise<string> {
  const bytes = await readFile(path).catch(async (error: NodeJS.ErrnoException) => {
    const reason = reasons[error.code ?? ''] ?? `cannot be read: ${error.message}`;
    const meant = error.code === 'ENOENT' ? await meantFile(path) : undefined;
    const hint = meant === undefined ? 'Check the path.' : `Did you mean ${meant}?`;
    throw new RitmoError('RITMO_USAGE', `The ${what} ${path} ${reason}.`, { cause: error, hint });
  });
  if (bytes.length <= 1024 * 1024) return bytes.toString('utf8');
  throw new RitmoError('RITMO_USAGE', `The ${what} ${path} is larger than 1 MiB.`, { hint: 'Check the path.' });
}

/** A file of that folder with nearly that name. */
async function meantFile(path: string): Promise<string | undefined> {
  const names = await readdir(dirname(path)).catch(() => []);
  const name = nearest(basename(path), names);
  return name === undefined ? undefined : join(dirname(path), name);
}

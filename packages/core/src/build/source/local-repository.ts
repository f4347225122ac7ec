import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RitmoError } from '../../errors.js';

export interface LocalRepository {
  /** Without links, absolute. */
  readonly path: string;
  /** Everything that git must read: the repository, and where a worktree or borrowed objects point. */
  readonly readPaths: readonly string[];
}

const maxAlternates = 20;

/** Finds a repository on this host. Rejects with RITMO_SOURCE_FAILED where there is none. */
export async function findLocalRepository(path: string): Promise<LocalRepository> {
  const root = await realpath(resolve(path)).catch((error: NodeJS.ErrnoException) => {
    throw notThere(path, error.code === 'ENOENT' ? 'does not exist' : 'cannot be read', error);
  });
  const dotGit = join(root, '.git');
  const gitDir = (await exists(dotGit)) ? await gitDirOf(dotGit) : root;
  if (!(await exists(join(gitDir, 'HEAD')))) throw notThere(path, 'is not a git repository');
  const common = await pointer(join(gitDir, 'commondir'), gitDir);
  const paths = new Set([root, gitDir, common ?? gitDir]);
  for (const borrowed of await alternates(common ?? gitDir)) paths.add(borrowed);
  return { path: root, readPaths: [...paths] };
}

/** `.git` is a folder, or in a worktree or submodule a file that says where the folder is. */
async function gitDirOf(dotGit: string): Promise<string> {
  if ((await stat(dotGit)).isDirectory()) return realpath(dotGit);
  const target = /^gitdir: (.+)$/m.exec(await readFile(dotGit, 'utf8'))?.[1];
  if (target === undefined) throw notThere(dirname(dotGit), 'is not a git repository');
  return realpath(resolve(dirname(dotGit), target));
}

async function pointer(file: string, base: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : realpath(resolve(base, text.trim()));
}

async function alternates(gitDir: string): Promise<string[]> {
  const text = await readFile(join(gitDir, 'objects/info/alternates'), 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Promise.all(lines.slice(0, maxAlternates).map((line) => realpath(resolve(gitDir, 'objects', line))));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function notThere(path: string, what: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_SOURCE_FAILED', `${path} ${what}.`, {
    cause,
    retryable: false,
    hint: 'Check `source.git`; the user of the agent must be able to read it.',
  });
}

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const env = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_ALLOW_PROTOCOL: 'file:https:ext',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};

/** Runs git in a folder, for the making of repositories. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec('git', ['-c', 'init.defaultBranch=main', ...args], { cwd, env });
  return stdout.trim();
}

export interface Repositories extends AsyncDisposable {
  /** Holds one bare repository beside the other. */
  readonly root: string;
  /** Commits of app.git, the first first: `first` has the tag v1, `second` is main, `side` the branch feature/x. */
  readonly first: string;
  readonly second: string;
  readonly side: string;
}

/** Bare repositories `app.git` and `lib.git` to check out from. */
export async function makeRepositories(): Promise<Repositories> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-repositories-'));
  const work = join(root, 'work');
  await git(root, 'init', '--quiet', work);
  const commit = async (text: string) => {
    await writeFile(join(work, 'file.txt'), text);
    await git(work, 'add', '.');
    await git(work, 'commit', '--quiet', '-m', text);
    return git(work, 'rev-parse', 'HEAD');
  };
  const first = await commit('first');
  await git(work, 'tag', '-a', 'v1', '-m', 'one');
  const second = await commit('second');
  await git(work, 'checkout', '--quiet', '-b', 'feature/x', first);
  const side = await commit('side');
  await git(work, 'tag', 'both', first);
  await git(work, 'branch', 'both', second);
  await git(work, 'checkout', '--quiet', 'main');
  await git(root, 'clone', '--quiet', '--bare', work, 'app.git');
  await git(root, 'clone', '--quiet', '--bare', work, 'lib.git');
  return { root, first, second, side, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** Adds a commit to main of a bare repository: files, and submodules that no sane git would add. */
export async function addSubmodules(
  root: string,
  bare: string,
  modules: Readonly<Record<string, { url: string; commit: string }>>,
): Promise<string> {
  const work = await mkdtemp(join(root, 'edit-'));
  await git(root, 'clone', '--quiet', bare, work);
  let text = '';
  for (const [path, { url, commit }] of Object.entries(modules)) {
    text += `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`;
    await git(work, 'update-index', '--add', '--cacheinfo', `160000,${commit},${path}`);
  }
  await writeFile(join(work, '.gitmodules'), text);
  await git(work, 'add', '.gitmodules');
  await git(work, 'commit', '--quiet', '-m', 'modules');
  await git(work, 'push', '--quiet', 'origin', 'HEAD:main');
  return git(work, 'rev-parse', 'HEAD');
}

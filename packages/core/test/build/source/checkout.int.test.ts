import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobSource } from '@ritmo/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CheckoutContext, checkout } from '../../../src/build/source/index.js';
import { fastClock } from '../../transport/support.js';
import { type GitServer, gitServer } from './git-server.js';
import { type PlainVolume, plainVolume } from './plain-volume.js';
import { addSubmodules, git, makeRepositories, type Repositories } from './repository.js';

let repositories: Repositories;
let server: GitServer;
let volume: PlainVolume;
let said: string;
let notes: string[];

beforeAll(async () => {
  repositories = await makeRepositories();
  server = await gitServer(repositories.root);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await repositories[Symbol.asyncDispose]();
});
beforeEach(async () => {
  volume = await plainVolume();
  said = '';
  notes = [];
  server.logins.length = 0;
  server.login = undefined;
  server.moved = undefined;
  server.old = false;
});
afterEach(() => volume[Symbol.asyncDispose]());

function get(
  source: Partial<JobSource>,
  more: Partial<CheckoutContext> & { readonly local?: boolean; readonly token?: string } = {},
) {
  const { local = false, token, ...context } = more;
  return checkout(
    { git: `${server.url}/app.git`, submodules: false, ...source },
    {
      volume,
      secret: (name) => (name === 'TOKEN' ? token : undefined),
      policy: { allowLocalSources: local, caFile: server.caFile },
      scope: {
        signal: new AbortController().signal,
        stop: { signal: 'SIGTERM', graceMs: 100 },
        output: { write: (_stream, bytes) => void (said += Buffer.from(bytes).toString()) },
      },
      note: (level, text) => void notes.push(`${level} ${text}`),
      clock: fastClock(),
      ...context,
    },
  );
}

const workspace = (path: string) => join(volume.hostPath, path);
const read = (path: string) => readFile(workspace(path), 'utf8');
const inWorkspace = (...args: string[]) => git(volume.hostPath, ...args);

/** All that a job could find afterwards: the whole .git, what was said, and every argument and variable. */
async function traces(): Promise<string> {
  let text = said + notes.join() + JSON.stringify(volume.tools.map(({ argv, env }) => ({ argv, env })));
  for (const entry of await readdir(volume.root, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) text += await readFile(join(entry.parentPath, entry.name), 'latin1');
  }
  return text;
}

describe('a checkout', () => {
  it.each([
    ['nothing', undefined, 'second'],
    ['a branch', 'main', 'second'],
    ['a branch with a slash', 'feature/x', 'side'],
    ['an annotated tag', 'v1', 'first'],
    ['a full ref', 'refs/heads/feature/x', 'side'],
    ['a name that is a branch and a tag', 'both', 'second'],
  ] as const)('by %s gives that commit, detached', async (_name, ref, expected) => {
    const { commit } = await get(ref === undefined ? {} : { ref });
    expect(commit).toBe(repositories[expected]);
    expect(await read('file.txt')).toBe(expected);
    await expect(inWorkspace('symbolic-ref', '-q', 'HEAD')).rejects.toThrow('symbolic-ref');
    expect(await inWorkspace('status', '--porcelain')).toBe('');
    expect(await inWorkspace('rev-parse', 'HEAD')).toBe(commit);
  });

  it.each([false, true])('by a commit, whole or abbreviated, works also with a server of old: %s', async (old) => {
    server.old = old;
    await expect(get({ ref: repositories.first, depth: 1 })).resolves.toEqual({ commit: repositories.first });
    await volume[Symbol.asyncDispose]();
    volume = await plainVolume();
    await expect(get({ ref: repositories.first.slice(0, 9) })).resolves.toEqual({ commit: repositories.first });
    expect(await read('file.txt')).toBe('first');
  });

  it('with a depth brings no more than that', async () => {
    await get({ ref: 'main', depth: 1 });
    expect(await inWorkspace('rev-list', '--count', 'HEAD')).toBe('1');
    expect(await inWorkspace('tag')).toBe('');
  });

  it('without one brings the history, the tags on it and a branch of the remote', async () => {
    await get({ ref: 'main' });
    expect(await inWorkspace('rev-list', '--count', 'HEAD')).toBe('2');
    expect(await inWorkspace('describe')).toMatch(/^v1-1-g/);
    expect(await inWorkspace('rev-parse', 'origin/main')).toBe(repositories.second);
  });

  it.each(['nowhere', 'deadbeef', 'f'.repeat(40), 'refs/heads/none'])(
    'of the ref %s, which is not there, says so',
    async (ref) => {
      await expect(get({ ref })).rejects.toMatchObject({
        code: 'RITMO_SOURCE_REF',
        retryable: false,
        message: expect.stringContaining(ref),
      });
    },
  );

  it.each(['--upload-pack=touch /tmp/owned', '-c', 'main:refs/heads/x', 'a b'])(
    'of the ref %j runs nothing',
    async (ref) => {
      await expect(get({ ref })).rejects.toMatchObject({ code: 'RITMO_SOURCE_REF' });
      expect(volume.tools).toEqual([]);
    },
  );

  it('of a repository that is not there is not worth another try', async () => {
    await expect(get({ git: `${server.url}/none.git` })).rejects.toMatchObject({
      code: 'RITMO_SOURCE_FAILED',
      retryable: false,
    });
  });

  it('is tried again when the network fails', async () => {
    server.failures = 2;
    await expect(get({})).resolves.toEqual({ commit: repositories.second });
    expect(said).toMatch(/trying again/);
  });

  it('fails as retryable when nobody answers', async () => {
    await expect(get({ git: 'https://127.0.0.1:1/x.git' })).rejects.toMatchObject({
      code: 'RITMO_SOURCE_FAILED',
      retryable: true,
    });
  });

  it('does not believe an authority that nobody vouched for', async () => {
    const act = get({}, { policy: { allowLocalSources: false } });
    await expect(act).rejects.toMatchObject({
      code: 'RITMO_SOURCE_FAILED',
      retryable: false,
      hint: expect.stringMatching(/certificate/),
    });
  });

  it('without a network is refused before anything runs', async () => {
    await expect(get({}, { network: 'none' })).rejects.toMatchObject({
      code: 'RITMO_SOURCE_FAILED',
      hint: expect.stringMatching(/network: isolated/),
    });
    expect(volume.tools).toEqual([]);
  });

  it('without git says that it is missing', async () => {
    const bin = join(volume.root, 'bin');
    await mkdir(bin);
    const bare = await plainVolume(bin);
    // The shell is found by its whole path, git is not found at all.
    const runTool: typeof bare.runTool = (tool, scope) =>
      bare.runTool({ ...tool, argv: ['/bin/sh', ...tool.argv.slice(1)] }, scope);
    await expect(get({}, { volume: { ...bare, runTool } })).rejects.toMatchObject({ code: 'RITMO_GIT_MISSING' });
    await bare[Symbol.asyncDispose]();
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const output = { write: () => controller.abort({ reason: 'user' }) };
    const scope = { signal: controller.signal, stop: { signal: 'SIGTERM', graceMs: 100 } as const, output };
    await expect(get({}, { scope })).rejects.toMatchObject({ code: 'RITMO_CANCELLED' });
  });

  it('takes nothing from the configuration, the hooks and the templates of a user', async () => {
    const trap = join(volume.root, 'trap');
    await mkdir(join(trap, 'hooks'), { recursive: true });
    for (const name of ['post-checkout', 'reference-transaction']) {
      await writeFile(join(trap, 'hooks', name), `#!/bin/sh\ntouch ${trap}/sprung\n`);
      await chmod(join(trap, 'hooks', name), 0o755);
    }
    const config = `[core]\n\thooksPath = ${trap}/hooks\n[init]\n\ttemplateDir = ${trap}\n[user]\n\tname = trap\n`;
    await writeFile(join(volume.home, '.gitconfig'), config);
    await get({});
    await expect(stat(join(trap, 'sprung'))).rejects.toThrow('ENOENT');
    await expect(stat(workspace('.git/hooks'))).rejects.toThrow('ENOENT');
    expect(await inWorkspace('config', '--local', '--list')).not.toMatch(/trap|hookspath|helper/i);
  });
});

describe('credentials', () => {
  it.each([
    ['user:pass:word', 'user:pass:word'],
    ['s3cr3t-token\n', 'x-access-token:s3cr3t-token'],
  ])('%j reach the server and nothing else', async (token, login) => {
    server.login = login;
    await expect(get({ credentials: 'TOKEN' }, { token })).resolves.toEqual({ commit: repositories.second });
    expect(new Set(server.logins)).toEqual(new Set(['-', login]));
    const found = await traces();
    for (const part of ['pass:word', 's3cr3t', Buffer.from(login).toString('base64')])
      expect(found).not.toContain(part);
    expect(await read('.git/config')).toContain(`url = ${server.url}/app.git\n`);
  });

  it.each([
    ['wrong ones', 'TOKEN', 'user:wrong'],
    ['none', undefined, undefined],
  ])('that are %s end in RITMO_SOURCE_AUTH', async (_name, credentials, token) => {
    server.login = 'user:right';
    const source = credentials === undefined ? {} : { credentials };
    const act = get(source, token === undefined ? {} : { token });
    await expect(act).rejects.toMatchObject({
      code: 'RITMO_SOURCE_AUTH',
      retryable: false,
      message: expect.not.stringContaining('wrong'),
    });
  });

  it('that were not delivered are named', async () => {
    await expect(get({ credentials: 'TOKEN' })).rejects.toMatchObject({
      code: 'RITMO_SECRET_MISSING',
      message: expect.stringContaining('TOKEN'),
    });
  });

  it.each(['', 'a\nb', ':pw', 'user:'])('like %j cannot be any', async (token) => {
    await expect(get({ credentials: 'TOKEN' }, { token })).rejects.toMatchObject({ code: 'RITMO_SOURCE_AUTH' });
    expect(volume.tools).toEqual([]);
  });

  it('do not go where a redirect points', async () => {
    await using other = await gitServer(repositories.root);
    other.login = 'user:right';
    server.moved = other.url;
    const ca = join(volume.root, 'both.pem');
    await writeFile(ca, (await readFile(server.caFile, 'utf8')) + (await readFile(other.caFile, 'utf8')));
    const policy = { allowLocalSources: false, caFile: ca };
    const act = get({ git: `${server.url}/moved/app.git`, credentials: 'TOKEN' }, { token: 'user:right', policy });
    await expect(act).rejects.toMatchObject({ code: 'RITMO_SOURCE_AUTH' });
    expect(other.logins.length).toBeGreaterThan(0);
    expect(new Set(other.logins)).toEqual(new Set(['-']));
  });
});

describe('a repository on this host', () => {
  it('is refused unless the policy allows it', async () => {
    for (const address of [join(repositories.root, 'app.git'), `file://${repositories.root}/app.git`]) {
      await expect(get({ git: address })).rejects.toMatchObject({ code: 'RITMO_POLICY_REFUSED' });
    }
    expect(volume.tools).toEqual([]);
  });

  it('is checked out where it does, and is all that the tool may read', async () => {
    const git = join(repositories.root, 'app.git');
    await expect(get({ git, ref: 'v1', depth: 1 }, { local: true, network: 'none' })).resolves.toEqual({
      commit: repositories.first,
    });
    expect(volume.tools[0]?.readOnlyPaths).toEqual([git]);
    expect(volume.tools[0]?.env['GIT_ALLOW_PROTOCOL']).toBe('file');
  });

  it('may count its commits in sha256', async () => {
    const modern = join(volume.root, 'modern');
    await git(volume.root, 'init', '--quiet', '--object-format=sha256', modern);
    await git(modern, 'commit', '--quiet', '--allow-empty', '-m', 'one');
    const ref = await git(modern, 'rev-parse', 'HEAD');
    expect(ref).toHaveLength(64);
    await expect(get({ git: modern, ref }, { local: true })).resolves.toEqual({ commit: ref });
  });

  it('may be a worktree, or belong to somebody else', async () => {
    const tree = join(volume.root, 'tree');
    await git(join(repositories.root, 'work'), 'worktree', 'add', '--quiet', '--detach', tree, 'v1');
    await expect(get({ git: tree }, { local: true })).resolves.toEqual({ commit: repositories.first });
    const work = join(repositories.root, 'work');
    expect(volume.tools[0]?.readOnlyPaths).toEqual([tree, join(work, '.git/worktrees/tree'), join(work, '.git')]);
    await git(work, 'worktree', 'remove', '--force', tree);
  });

  it.each(['/nonexistent/repo', '/etc'])('that is none, like %s, is named', async (address) => {
    const act = get({ git: address }, { local: true });
    await expect(act).rejects.toMatchObject({
      code: 'RITMO_SOURCE_FAILED',
      retryable: false,
      message: expect.stringContaining(address),
    });
  });
});

describe('submodules', () => {
  const commitOf = () => repositories.first;

  it('come along when they are asked for, with credentials for the same host only', async () => {
    await using other = await gitServer(repositories.root);
    const ca = join(volume.root, 'both.pem');
    await writeFile(ca, (await readFile(server.caFile, 'utf8')) + (await readFile(other.caFile, 'utf8')));
    await git(repositories.root, 'clone', '--quiet', '--bare', 'app.git', 'with.git');
    await addSubmodules(repositories.root, 'with.git', {
      'mods/own': { url: '../lib.git', commit: commitOf() },
      'mods/other': { url: `${other.url}/lib.git`, commit: commitOf() },
    });
    server.login = 'user:right';
    const policy = { allowLocalSources: false, caFile: ca };
    await get(
      { git: `${server.url}/with.git`, submodules: true, depth: 1, credentials: 'TOKEN' },
      { token: 'user:right', policy },
    );
    expect(await read('mods/own/file.txt')).toBe('first');
    expect(await read('mods/other/file.txt')).toBe('first');
    expect(new Set(other.logins)).toEqual(new Set(['-']));
    expect(await traces()).not.toContain('user:right');
  });

  it('stay away when they are not', async () => {
    await git(repositories.root, 'clone', '--quiet', '--bare', 'app.git', 'without.git');
    await addSubmodules(repositories.root, 'without.git', { lib: { url: '../lib.git', commit: commitOf() } });
    await get({ git: `${server.url}/without.git` });
    expect(await readdir(workspace('lib'))).toEqual([]);
  });

  it.each([
    ['file', () => `file://${repositories.root}/lib.git`],
    ['path', () => `${repositories.root}/lib.git`],
    ['ext', () => `ext::sh -c touch% ${repositories.root}/owned`],
    ['http', () => 'http://127.0.0.1:1/lib.git'],
    ['option', () => '--upload-pack=touch owned'],
  ])('of the kind %s are refused, and nothing of them runs', async (name, url) => {
    await git(repositories.root, 'clone', '--quiet', '--bare', 'app.git', `bad-${name}.git`);
    await addSubmodules(repositories.root, `bad-${name}.git`, { lib: { url: url(), commit: commitOf() } });
    const address = name === 'file' ? join(repositories.root, 'bad-file.git') : `${server.url}/bad-${name}.git`;
    const act = get({ git: address, submodules: true }, { local: true });
    await expect(act).rejects.toMatchObject({
      code: name === 'option' ? 'RITMO_SOURCE_FAILED' : 'RITMO_POLICY_REFUSED',
    });
    await expect(stat(join(repositories.root, 'owned'))).rejects.toThrow('ENOENT');
    await expect(stat(workspace('owned'))).rejects.toThrow('ENOENT');
  });
});

describe('a source over ssh', () => {
  /** Writes down how it is called, and serves the repository from this disk. */
  async function fakeSsh(bin: string): Promise<void> {
    await mkdir(bin);
    const script = `#!/bin/sh
printf '%s\\n' "$@" > ${bin}/args
while [ "$1" != git@host.test ]; do if [ "$1" = -i ]; then cat "$2" > ${bin}/key; fi; shift; done
shift
cd ${repositories.root} && exec sh -c "$1"
`;
    await writeFile(join(bin, 'ssh'), script, { mode: 0o755 });
  }

  it('uses the key from memory, no configuration of a user, and never asks', async () => {
    const bin = join(volume.root, 'bin');
    await fakeSsh(bin);
    await using mine = await plainVolume(`${bin}:${process.env['PATH']}`);
    const token = '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----';
    const known = join(volume.root, 'known');
    await writeFile(known, 'host.test ssh-ed25519 AAAA\n');
    const policy = { allowLocalSources: false, knownHostsFile: known };
    const source = { git: 'git@host.test:app.git', ref: 'v1', credentials: 'TOKEN' };
    await expect(get(source, { volume: mine, token, policy })).resolves.toEqual({ commit: repositories.first });
    const args = await readFile(join(bin, 'args'), 'utf8');
    for (const part of ['-F\n/dev/null\n', 'BatchMode=yes\n', 'IdentitiesOnly=yes\n', 'StrictHostKeyChecking=yes\n'])
      expect(args).toContain(part);
    expect(await readFile(join(bin, 'key'), 'utf8')).toBe(`${token}\n`);
    expect(notes.join()).not.toMatch(/believed unseen/);
  });

  it('says so when it has to believe the key of the host', async () => {
    const bin = join(volume.root, 'bin');
    await fakeSsh(bin);
    await using mine = await plainVolume(`${bin}:${process.env['PATH']}`);
    await get({ git: 'ssh://git@host.test/app.git' }, { volume: mine, policy: { allowLocalSources: false } }).catch(
      () => undefined,
    );
    expect(await readFile(join(bin, 'args'), 'utf8')).toContain('StrictHostKeyChecking=accept-new\n');
    expect(notes[0]).toMatch(/^warn The key of host\.test is believed unseen/);
  });

  it('takes no secret that is not a key', async () => {
    await expect(get({ git: 'git@host.test:app.git', credentials: 'TOKEN' }, { token: 'pw' })).rejects.toMatchObject({
      code: 'RITMO_SOURCE_AUTH',
    });
  });
});

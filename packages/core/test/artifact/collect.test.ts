import { readdir } from 'node:fs/promises';
import { job } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import {
  type ArtifactSession,
  type ArtifactSource,
  type StoreArtifacts,
  storeArtifacts,
} from '../../src/artifact/index.js';
import { RitmoError } from '../../src/errors.js';
import type { CollectedEntry, CollectRequest } from '../../src/executor/sandbox.js';
import { file, sandboxWith, sha256, tempDir } from './support.js';

/** A store in memory that says what became of it. */
function memorySession(
  fail?: RitmoError,
): ArtifactSession & { readonly files: Record<string, string>; readonly ends: string[] } {
  const files: Record<string, string> = {};
  const ends: string[] = [];
  return {
    files,
    ends,
    async *add(sources) {
      const kept: ArtifactSource[] = [];
      for await (const source of sources) kept.push(source);
      for (const source of kept) {
        if (fail !== undefined) throw fail;
        let text = source.linkTarget === undefined ? '' : `-> ${source.linkTarget}`;
        for await (const bytes of source.read()) text += Buffer.from(bytes).toString();
        files[`${source.name}:${source.path}`] = text;
        await source.release();
        yield { name: source.name, path: source.path, uri: 'memory:', size: source.size, sha256: sha256(text) };
      }
    },
    commit: async () => void ends.push('commit'),
    abort: async () => void ends.push('abort'),
  };
}

async function run(
  artifacts: object[],
  entries: Record<string, CollectedEntry[]>,
  more: Partial<StoreArtifacts> & { readonly session?: ReturnType<typeof memorySession> } = {},
) {
  await using staging = await tempDir();
  const notes: string[] = [];
  const session = more.session ?? memorySession();
  const sandbox = sandboxWith(entries);
  const result = await storeArtifacts({
    job: job.parse({ name: 'j', steps: [{ run: 'true' }], artifacts }),
    succeeded: true,
    sandbox,
    stagingDir: staging.path,
    limits: { maxFiles: 100, maxBytes: 1000 },
    note: (level, text) => void notes.push(`${level} ${text}`),
    signal: new AbortController().signal,
    ...more,
    session,
  });
  return { result, notes, session, sandbox, staged: await readdir(staging.path) };
}

describe('the artifacts of a build', () => {
  it('are collected by their own patterns and stored, whether their executor can give them again or not', async () => {
    const artifacts = [
      { name: 'bin', paths: ['dist/**'], exclude: ['**/*.map'], dotfiles: true },
      { name: 'logs', paths: ['logs'] },
    ];
    const entries = { 'dist/**': [file('dist/a', 'aa'), file('dist/b', 'bb', false)], logs: [file('logs/c', 'cc')] };
    const { result, notes, session, sandbox, staged } = await run(artifacts, entries);
    expect(result).toMatchObject({ stored: 3 });
    expect(result.failure).toBeUndefined();
    expect(session.files).toEqual({ 'bin:dist/a': 'aa', 'bin:dist/b': 'bb', 'logs:logs/c': 'cc' });
    expect(session.ends).toEqual(['commit']);
    expect(sandbox.asked).toEqual([
      { include: ['dist/**'], exclude: ['**/*.map'], dotfiles: true, maxFiles: 100, maxBytes: 1000 },
      { include: ['logs'], exclude: [], dotfiles: false, maxFiles: 98, maxBytes: 996 },
    ]);
    expect(notes).toEqual(['info Artifact bin: stored 2 files, 4 B.', 'info Artifact logs: stored 1 file, 2 B.']);
    expect(staged).toEqual([]);
  });

  it.each([
    [true, ['a', 'c']],
    [false, ['b', 'c']],
  ])('are those whose `when` fits steps that succeeded: %s', async (succeeded, expected) => {
    const artifacts = [
      { name: 'a', paths: ['x'], when: 'success' },
      { name: 'b', paths: ['x'], when: 'failure' },
      { name: 'c', paths: ['x'], when: 'always' },
    ];
    const { result } = await run(artifacts, { x: [file('x', '')] }, { succeeded });
    expect(result.refs.map(({ name }) => name)).toEqual(expected);
  });

  it('are taken out of a sandbox that ends with its agent before the first of them is stored', async () => {
    const asked: unknown[] = [];
    const sandbox = Object.assign(sandboxWith({ a: [file('a', '1')], b: [file('b', '22')] }), {
      gather: async (requests: readonly CollectRequest[]) => void asked.push(...requests),
    });
    const seen: unknown[] = [];
    const session = memorySession();
    const add = session.add.bind(session);
    session.add = (sources, scope) => {
      const told = async function* () {
        for await (const source of sources) {
          seen.push(asked.length);
          yield source;
        }
      };
      return add(told(), scope);
    };
    const artifacts = [
      { name: 'one', paths: ['a'] },
      { name: 'two', paths: ['b'], exclude: ['c'], dotfiles: true },
      { name: 'three', paths: ['d'], when: 'failure' },
    ];
    await run(artifacts, {}, { sandbox, session });
    expect(asked).toEqual([
      { include: ['a'], exclude: [], dotfiles: false, maxFiles: 100, maxBytes: 1000 },
      { include: ['b'], exclude: ['c'], dotfiles: true, maxFiles: 100, maxBytes: 1000 },
    ]);
    expect(seen).toEqual([2, 2]);
    expect(session.files).toEqual({ 'one:a': '1', 'two:b': '22' });
  });

  it('that are required and match nothing fail the job, and the others are stored', async () => {
    const artifacts = [
      { name: 'a', paths: ['x'], required: true },
      { name: 'b', paths: ['y'] },
      { name: 'c', paths: ['z'] },
    ];
    const { result, notes, session } = await run(artifacts, { y: [file('y', '')] });
    expect(result).toMatchObject({ stored: 1, failure: { code: 'RITMO_ARTIFACT_MISSING', retryable: false } });
    expect(result.failure?.message).toMatch(/artifact a\.$/);
    expect(session.ends).toEqual(['commit']);
    expect(notes.filter((note) => note.startsWith('warn'))).toEqual([
      'warn Artifact a: nothing matched x.',
      'warn Artifact c: nothing matched z.',
    ]);
  });

  it('that cannot be given are noted by name, and the others are stored', async () => {
    const bad: CollectedEntry[] = [
      { kind: 'refused', path: 'dev', why: 'it is a device' },
      { kind: 'link', path: 'out', target: '../../etc', mode: 0o777, mtimeMs: 0 },
      file('a\\..\\b', 'x'),
      file('\u0000', 'x'),
      file('same', '1'),
      file('same', '2'),
      { kind: 'link', path: 'd/in', target: '../same', mode: 0o777, mtimeMs: 0 },
    ];
    const { result, notes, session } = await run([{ name: 'a', paths: ['x'] }], { x: bad });
    expect(result.failure).toBeUndefined();
    expect(session.files).toEqual({ 'a:same': '1', 'a:d/in': '-> ../same' });
    const refused = notes.filter((note) => note.includes('RITMO_ARTIFACT_REFUSED'));
    expect(refused).toHaveLength(5);
    expect(refused[0]).toBe('warn Artifact a: "dev" is not stored: it is a device (RITMO_ARTIFACT_REFUSED)');
    expect(refused[1]).toMatch(/the link leaves the workspace/);
  });

  it('may leave out .git by rule, which is said and is nothing wrong', async () => {
    const hidden: CollectedEntry = { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true };
    const { result, notes } = await run([{ name: 'all', paths: ['**'], dotfiles: true }], {
      '**': [hidden, file('a', 'x')],
    });
    expect(result.failure).toBeUndefined();
    expect(notes).toEqual([
      'info Artifact all: ".git" is left out: a pattern must name it.',
      'info Artifact all: stored 1 file, 1 B.',
    ]);
  });

  it('that are refused by the thousand do not fill the log', async () => {
    const refused = Array.from({ length: 1000 }, (_, n) => ({ kind: 'refused', path: `d${n}`, why: 'no' }) as const);
    const { notes } = await run([{ name: 'a', paths: ['x'] }], { x: refused });
    expect(notes).toHaveLength(22);
    expect(notes[20]).toBe('warn 980 more files were refused.');
  });

  it.each([
    ['more', [file('1', ''), file('2', ''), file('3', ''), file('4', '')], /more than 3 files/],
    ['larger', [file('1', 'x'.repeat(600)), file('2', 'x'.repeat(500))], /larger than 1000 B/],
  ])('that are %s than allowed are refused, whatever the executor lets through', async (_name, entries, message) => {
    const { result, session, staged } = await run(
      [{ name: 'a', paths: ['x'] }],
      { x: entries },
      { limits: { maxFiles: 3, maxBytes: 1000 } },
    );
    expect(result).toMatchObject({
      stored: 0,
      failure: { code: 'RITMO_ARTIFACT_LIMIT', message: expect.stringMatching(message) },
    });
    expect(session.ends).toEqual(['abort']);
    expect(staged).toEqual([]);
  });

  it('that the store does not take fail the job with what the store said', async () => {
    const session = memorySession(new RitmoError('RITMO_SERVER_UNREACHABLE', 'bucket of TOKEN gone'));
    const mask = (text: string) => text.replaceAll('TOKEN', '***');
    const { result, notes } = await run([{ name: 'a', paths: ['x'] }], { x: [file('x', '')] }, { session, mask });
    expect(result.failure).toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      message: 'bucket of *** gone',
      retryable: true,
    });
    expect(session.ends).toEqual(['abort']);
    expect(notes).toEqual(['error bucket of *** gone (RITMO_ARTIFACT_UPLOAD; 0 files were stored)']);
  });

  it('of a job that is over are nobody’s any more', async () => {
    const session = memorySession(new RitmoError('RITMO_FENCED', 'over'));
    const act = run([{ name: 'a', paths: ['x'] }], { x: [file('x', '')] }, { session });
    await expect(act).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    expect(session.ends).toEqual(['abort']);
  });

  it('leave the agent without the secrets in their names', async () => {
    const mask = (text: string) => text.replaceAll('TOKEN', '***');
    const { session } = await run([{ name: 'a', paths: ['x'] }], { x: [file('dir/TOKEN.txt', 'x')] }, { mask });
    expect(Object.keys(session.files)).toEqual(['a:dir/***.txt']);
  });

  it('end with the signal', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    await expect(
      run([{ name: 'a', paths: ['x'] }], { x: [file('x', '')] }, { signal: controller.signal }),
    ).rejects.toThrow('enough');
  });
});

import { describe, expect, it } from 'vitest';
import { locateInside, stepFolder, toolFiles } from '../../src/executor.js';

describe('the folder of a step', () => {
  it.each([
    [undefined, '/workspace'],
    ['.', '/workspace'],
    ['sub/', '/workspace/sub'],
    ['a/../b', '/workspace/b'],
  ])('%s is %s', (cwd, folder) => {
    expect(stepFolder('/workspace', cwd === undefined ? {} : { cwd })).toBe(folder);
  });

  it.each(['/etc', '..', '../workspace-of-others', 'a/../../b'])('%s is none', (cwd) => {
    expect(() => stepFolder('/workspace', { cwd })).toThrow(`The folder ${cwd} is not in the workspace.`);
  });
});

describe('a path inside', () => {
  const folders = [
    { inside: '/run/private', host: '/memory/one' },
    { inside: '/workspace', host: '/disk/one' },
  ];

  it.each([
    ['/workspace', '/disk/one', ''],
    ['/workspace/', '/disk/one', ''],
    ['/workspace/a/./b', '/disk/one', 'a/b'],
    ['/run/private/secret', '/memory/one', 'secret'],
  ])('%s lies in %s', (path, root, rest) => {
    expect(locateInside(folders, path)).toEqual({ root, rest });
  });

  it.each(['/', '/workspaces', '/workspace/../etc/passwd', 'workspace'])('%s lies nowhere', (path) => {
    expect(() => locateInside(folders, path)).toThrow(expect.objectContaining({ code: 'RITMO_WORKSPACE_ESCAPE' }));
  });
});

it('the files of a tool are those that `put` takes', async () => {
  const [file] = toolFiles({ files: { 'bin/ask': { content: 'é', mode: 0o700 } } });
  expect(file).toMatchObject({ kind: 'file', path: 'bin/ask', mode: 0o700, size: 2 });
  const chunks: Uint8Array[] = [];
  for await (const chunk of file?.body ?? []) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('é');
});

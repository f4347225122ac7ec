import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Job, job as jobSchema } from '@ritmo/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingSecrets, readJob, readSecrets, requireSecrets, withLocalSource } from '../src/job-input.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
  await writeFile(join(folder, 'hello.yaml'), 'steps: [{ run: "true" }]\n');
  await writeFile(join(folder, 'bad.yaml'), 'steps: [{ runn: "true" }]\n');
  await writeFile(join(folder, 'key'), 'line 1\nline 2\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a job file', () => {
  test('gives the job its name where it has none', async () => {
    expect((await readJob(join(folder, 'hello.yaml'))).name).toBe('hello');
  });

  test('with mistakes is refused with all of them', async () => {
    const path = join(folder, 'bad.yaml');
    await expect(readJob(path)).rejects.toMatchObject({
      code: 'RITMO_JOB_INVALID',
      message: `The job file has 2 mistakes:\n${path}:1:9: steps[0].run: is missing\n${path}:1:11: steps[0].runn: there is no such key\n    Did you mean \`run\`?`,
    });
  });

  test('that is not there may be meant to be another', async () => {
    await expect(readJob(join(folder, 'hello.yml'))).rejects.toMatchObject({
      message: `The job file ${join(folder, 'hello.yml')} is not there.`,
      hint: `Did you mean ${join(folder, 'hello.yaml')}?`,
    });
    await expect(readJob(join(folder, 'nothing-like-it'))).rejects.toMatchObject({ hint: 'Check the path.' });
    await expect(readJob('/no/such/folder/x.yaml')).rejects.toMatchObject({ hint: 'Check the path.' });
  });

  test('that is a folder is told so', async () => {
    await expect(readJob(folder)).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: `The job file ${folder} is a folder.`,
    });
  });
});

describe('a source', () => {
  const sourceOf = (git: string) =>
    withLocalSource(jobSchema.parse({ name: 'x', source: { git }, steps: [{ run: 'true' }] }), '/jobs/app/job.yaml')
      .source?.git;

  test.each([
    ['.', '/jobs/app'],
    ['../repo', '/jobs/repo'],
    ['repo.git', '/jobs/app/repo.git'],
    ['a/b:c', '/jobs/app/a/b:c'],
    ['/srv/repo', '/srv/repo'],
  ])('%s is a path from the folder of the file: %s', (git, path) => expect(sourceOf(git)).toBe(path));

  test.each(['https://example.org/a.git', 'ssh://git@example.org/a', 'git@example.org:a.git', 'file:///srv/a'])(
    '%s stays',
    (git) => expect(sourceOf(git)).toBe(git),
  );
});

describe('secrets', () => {
  const job: Job = jobSchema.parse({
    name: 'x',
    secrets: [{ name: 'TOKEN' }, { name: 'KEY', as: 'file' }],
    steps: [{ run: 'true' }],
  });

  test('come from the environment and from files, as they are', async () => {
    const given = { secret: ['TOKEN'], secretFile: { KEY: join(folder, 'key') } };
    expect(await readSecrets(job, given, { TOKEN: 'abc', OTHER: 'no' })).toEqual({
      TOKEN: 'abc',
      KEY: 'line 1\nline 2\n',
    });
  });

  test.each([
    [
      'that the job does not name',
      { secret: ['OTHER'], secretFile: {} },
      'RITMO_USAGE',
      'The job does not name the secrets OTHER.',
    ],
    [
      'that the environment does not hold',
      { secret: ['KEY'], secretFile: {} },
      'RITMO_USAGE',
      '--secret KEY: there is no variable KEY in the environment.',
    ],
    [
      'with a name of ours',
      { secret: ['RITMO_TOKEN'], secretFile: {} },
      'RITMO_USAGE',
      '"RITMO_TOKEN" cannot be the name of a secret.',
    ],
    [
      'with a name that is none',
      { secret: [], secretFile: { 'a b': 'x' } },
      'RITMO_USAGE',
      '"a b" cannot be the name of a secret.',
    ],
  ])('%s are refused', async (_what, given, code, message) => {
    const read = readSecrets(job, given, { TOKEN: 'abc', OTHER: 'no', RITMO_TOKEN: 'x' });
    await expect(read).rejects.toMatchObject({ code, message });
  });

  test('that are missing are named, and refused where there is no worker that may have them', () => {
    expect(missingSecrets(job, { TOKEN: 'abc' })).toEqual(['KEY']);
    expect(() => requireSecrets(job, { TOKEN: 'abc' })).toThrow('The job needs secrets that were not given: KEY.');
    requireSecrets(job, { TOKEN: 'abc', KEY: '' });
  });
});

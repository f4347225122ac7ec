import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Flags, resolveSettings } from '../../src/options/resolve.js';
import type { OptionKey } from '../../src/options/table.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function config(text: string): Promise<string> {
  const path = join(folder, `${Math.random()}.yaml`);
  await writeFile(path, text);
  return path;
}

const resolve = <Key extends OptionKey>(keys: readonly Key[], flags: Flags = {}, env: Record<string, string> = {}) =>
  resolveSettings(keys, flags, env);

describe('settings', () => {
  test.each([
    ['executorOptions', 'foo', '--executor-options: must be written NAME=JSON.'],
    ['executorOptions', '3', '--executor-options: must be written NAME=JSON.'],
    ['executorOptions', 'null', '--executor-options: must be written NAME=JSON.'],
    ['executorOptions', '[]', '--executor-options: must be written NAME=JSON.'],
    [
      'executorOptions',
      'docker=foo',
      '--executor-options: docker must be a map (as a flag: a JSON object, NAME={"key": "value"}).',
    ],
    ['maxLogSize', '1KiB', '--max-log-size: must be at least 1MiB.'],
    ['name', 'a\u0007b', '--name: control characters are not allowed.'],
    ['project', 'a b', '--project: must be letters, digits, and . _ / @ - between them.'],
    ['allowSecret', 'A-B', '--allow-secret: "A-B" must be letters, digits, _ and *.'],
    ['hostName', 'http://a/b', '--host-name: "http://a/b" must be the name of a host, without scheme, port and path.'],
  ] as const)('%s %j is refused by the name of its flag', async (key, value, message) => {
    await expect(resolve([key], { [key]: [value] })).rejects.toThrow(expect.objectContaining({ message }));
  });

  test.each(['ci.example.org', 'localhost', '[::1]', '10.0.0.1'])('a host may be called %s', async (name) => {
    expect(await resolve(['hostName'], { hostName: [name] })).toEqual({ hostName: [name] });
  });

  test('come from flag, variable, file and default, in this order', async () => {
    const path = await config('maxConcurrent: 3\n');
    const flags: Flags = { config: [path] };
    expect(await resolve(['maxConcurrent'])).toEqual({ maxConcurrent: 2 });
    expect(await resolve(['maxConcurrent'], flags)).toEqual({ maxConcurrent: 3 });
    expect(await resolve(['maxConcurrent'], flags, { RITMO_MAX_CONCURRENT: '4' })).toEqual({ maxConcurrent: 4 });
    expect(await resolve(['maxConcurrent'], { ...flags, maxConcurrent: ['5'] }, { RITMO_MAX_CONCURRENT: '4' })).toEqual(
      { maxConcurrent: 5 },
    );
  });

  test('mean the same in all three', async () => {
    const keys = ['labels', 'isolation', 'drainTimeout', 'maxLogSize', 'insecure', 'executorOptions', 'name'] as const;
    const flags: Flags = {
      labels: ['zone=eu', 'gpu=a=b'],
      isolation: ['process', 'my-plugin'],
      drainTimeout: ['1h30m'],
      maxLogSize: ['10MiB'],
      insecure: ['true'],
      executorOptions: ['my-plugin={"host":"a,b"}', 'other={}'],
      name: ['w1'],
    };
    const env = {
      RITMO_LABELS: 'zone=eu, gpu=a=b',
      RITMO_ISOLATION: 'process,my-plugin',
      RITMO_DRAIN_TIMEOUT: '1h30m',
      RITMO_MAX_LOG_SIZE: '10MiB',
      RITMO_INSECURE: '1',
      RITMO_EXECUTOR_OPTIONS: '{"my-plugin":{"host":"a,b"},"other":{}}',
      RITMO_NAME: 'w1',
    };
    const path = await config(
      'labels: { zone: eu, gpu: a=b }\nisolation: [process, my-plugin]\ndrainTimeout: 1h30m\nmaxLogSize: 10MiB\n' +
        'insecure: true\nexecutorOptions: { my-plugin: { host: "a,b" }, other: {} }\nname: w1\n',
    );
    const expected = {
      labels: { zone: 'eu', gpu: 'a=b' },
      isolation: ['process', 'my-plugin'],
      drainTimeout: 5_400_000,
      maxLogSize: 10_485_760,
      insecure: true,
      executorOptions: { 'my-plugin': { host: 'a,b' }, other: {} },
      name: 'w1',
    };
    expect(await resolve(keys, flags)).toEqual(expected);
    expect(await resolve(keys, {}, env)).toEqual(expected);
    expect(await resolve(keys, {}, { RITMO_CONFIG: path })).toEqual(expected);
  });

  test('are not taken from an empty variable', async () => {
    expect(await resolve(['name', 'insecure'], {}, { RITMO_NAME: '', RITMO_INSECURE: '' })).toEqual({
      name: undefined,
      insecure: false,
    });
  });

  test('a switch in the file can be turned off by its flag', async () => {
    const path = await config('insecure: true\n');
    expect(await resolve(['insecure'], { config: [path], insecure: ['false'] })).toEqual({ insecure: false });
  });

  test('that are wrong are told all at once, each by where it came from', async () => {
    const flags: Flags = { maxConcurrent: ['0'], labels: ['zone'], logLevel: ['loud'] };
    const env = { RITMO_DRAIN_TIMEOUT: '30', RITMO_INSECURE: 'maybe' };
    const wrong = resolve(['maxConcurrent', 'labels', 'logLevel', 'drainTimeout', 'insecure'], flags, env);
    await expect(wrong).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: [
        '5 settings are wrong:',
        '--max-concurrent: must be at least 1',
        '--label: must be written KEY=VALUE',
        '--log-level: must be debug, info, warn or error, not "loud"',
        'RITMO_DRAIN_TIMEOUT: "30" is not a duration: write 90s, 30m, 1h30m, 24h or 30d',
        'RITMO_INSECURE: must be true or false, not text',
      ].join('\n'),
    });
  });

  test.each(['1.5', 'two', '', '99999'])('%j is no number of builds', async (text) => {
    await expect(resolve(['maxConcurrent'], { maxConcurrent: [text] })).rejects.toMatchObject({ code: 'RITMO_USAGE' });
  });
});

describe('a config file', () => {
  test('with mistakes lists them with their lines', async () => {
    const path = await config('maxConcurent: 3\nlogLevel: loud\nlabels: [a]\nconfig: x\n');
    await expect(resolve(['maxConcurrent'], { config: [path] })).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: expect.stringMatching(
        /:1:1: maxConcurent: there is no such key\n.*`maxConcurrent`\?\n.*:2:11: logLevel: must be debug.*\n(.*\n)*.*:3:9: labels: must be a map, not a list\n.*:4:1: config: there is no such key/,
      ),
    });
  });

  test('that is not there is told so', async () => {
    await expect(resolve([], { config: ['/nowhere/x.yaml'] })).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: 'The config file /nowhere/x.yaml is not there.',
    });
  });
});

test.each([
  ['mine', '--executor-options: must be written NAME=JSON.'],
  ['mine={bad', '--executor-options: mine must be a map (as a flag: a JSON object, NAME={"key": "value"}).'],
  ['mine=[1]', '--executor-options: mine must be a map (as a flag: a JSON object, NAME={"key": "value"}).'],
])('the options of an executor %j are refused with one sentence', async (text, message) => {
  await expect(resolve(['executorOptions'], { executorOptions: [text] })).rejects.toMatchObject({
    code: 'RITMO_USAGE',
    message,
  });
});

import { describe, expect, test } from 'vitest';
import { executorOptions, isolationNames } from '../../src/isolation/executor-options.js';
import { executorKeys } from '../../src/options/groups.js';
import { type Flags, resolveSettings } from '../../src/options/resolve.js';

const settingsOf = (flags: Flags) => resolveSettings(executorKeys, flags, {});

describe('options of executors', () => {
  test('of the process executor come from flags', async () => {
    const settings = await settingsOf({
      processIsolation: ['bare'],
      allowHostNetwork: ['true'],
      bind: ['/opt/data', '/srv/modules:/workspace/node_modules', '/srv/cache:rw', '/srv/ccache:/ccache:rw'],
      toolPath: ['/opt/data/bin', '/usr/local/go/bin', '/opt/node/bin'],
    });
    expect(executorOptions(settings)('process')).toEqual({
      level: 'bare',
      allowHostNetwork: true,
      binds: [
        { source: '/opt/data' },
        { source: '/srv/modules', target: '/workspace/node_modules' },
        { source: '/srv/cache', access: 'read-write' },
        { source: '/srv/ccache', target: '/ccache', access: 'read-write' },
        { source: '/opt/node/bin' },
      ],
      toolPaths: ['/opt/data/bin', '/usr/local/go/bin', '/opt/node/bin'],
    });
  });

  test.each([
    ['bind', 'relative', /^--bind: "relative" must be written PATH\[:INSIDE\]\[:rw\], with absolute paths/],
    ['bind', '/a:/b:/c', /^--bind: "\/a:\/b:\/c" must be written/],
    ['bind', '/a:../b', /^--bind/],
    ['toolPath', 'bin', /^--tool-path: "bin" must be an absolute path without `\.` and `\.\.`\.$/],
  ])('%s %s is refused by the name of its flag', async (key, value, message) => {
    await expect(settingsOf({ [key]: ['/fine', value] })).rejects.toThrow(message);
  });

  test('given by name win, and go to that executor only', async () => {
    const settings = await settingsOf({
      executorOptions: ['process={"uidBase":80000,"level":"bare"}', 'mine={"host":"a"}'],
    });
    expect(executorOptions(settings)('process')).toMatchObject({ uidBase: 80_000, level: 'bare' });
    expect(executorOptions(settings)('mine')).toEqual({ host: 'a' });
    expect(executorOptions(settings)('other')).toEqual({});
  });

  test('docker is the isolation that nobody named', async () => {
    expect(isolationNames(await settingsOf({}))).toEqual(['docker']);
    expect(isolationNames(await settingsOf({ isolation: ['process', 'vm'] }))).toEqual(['process', 'vm']);
  });
});

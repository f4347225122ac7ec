import { describe, expect, test } from 'vitest';
import { executorOptions, isolationNames, refuseUnusedOptions } from '../../src/isolation/executor-options.js';
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

  test('of the docker executor come from the flags that were given', async () => {
    const settings = await settingsOf({ allowHostNetwork: ['true'], bind: ['/srv/cache:/cache:rw'] });
    expect(executorOptions(settings)('docker')).toEqual({
      allowHostNetwork: true,
      binds: [{ source: '/srv/cache', target: '/cache', access: 'read-write' }],
    });
    expect(executorOptions(await settingsOf({}))('docker')).toEqual({});
    const named = await settingsOf({ bind: ['/srv/cache'], executorOptions: ['docker={"binds":[]}'] });
    expect(executorOptions(named)('docker')).toEqual({ binds: [] });
  });

  test('of an executor that nobody knows are refused, with the one that was meant', async () => {
    const settings = await settingsOf({ executorOptions: ['prcess={}'] });
    expect(() => refuseUnusedOptions(settings, ['process'])).toThrow(
      expect.objectContaining({
        code: 'RITMO_USAGE',
        message: '--executor-options: there is no executor "prcess" here.',
        hint: 'Did you mean process?',
      }),
    );
    const other = await settingsOf({ executorOptions: ['@acme/ritmo-ssh={}'] });
    expect(() => refuseUnusedOptions(other, ['ssh'])).toThrow(
      expect.objectContaining({ hint: 'There are: ssh, docker, process, vm.' }),
    );
  });

  test('of executors that are known and not used here are left alone', async () => {
    const settings = await settingsOf({ executorOptions: ['docker={}', 'mine={}'] });
    expect(() => refuseUnusedOptions(settings, ['mine'])).not.toThrow();
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

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bindOptions, type ExecutorPlugin } from '../../src/executor.js';
import { bindExecutor, RitmoError, silentLogger, systemClock } from '../../src/index.js';

const plugin: ExecutorPlugin<{ level: string }> = {
  kind: 'ritmo.executor',
  name: 'mine',
  version: '1.0.0',
  contract: 1,
  options: z.strictObject({ level: z.string(), binds: z.array(z.strictObject({ source: z.string() })).default([]) }),
  create: () => Promise.reject(new Error('not here')),
};

const host = { ownerId: 'o', stateDir: '/nowhere', log: silentLogger, clock: systemClock };

describe('an executor that cannot be made', () => {
  it('is named, with what its plugin threw', async () => {
    const binding = bindOptions(plugin, { level: 'a' });
    await expect(binding.open(host)).rejects.toMatchObject({
      code: 'RITMO_EXECUTOR_UNAVAILABLE',
      message: 'The mine executor could not be made: not here',
    });
    const thrower = { ...plugin, create: () => Promise.reject('a word') };
    await expect(bindOptions(thrower, { level: 'a' }).open(host)).rejects.toThrow(/could not be made: a word$/);
  });

  it.each([
    ['ours', new RitmoError('RITMO_POLICY_REFUSED', 'no')],
    ['of no class of ours', Object.assign(new Error('no'), { code: 'RITMO_POLICY_REFUSED' })],
  ])('keeps the code that its plugin gave with an error %s', async (_whose, refused) => {
    const binding = bindOptions({ ...plugin, create: () => Promise.reject(refused) }, { level: 'a' });
    await expect(binding.open(host)).rejects.toBe(refused);
  });
});

describe('wrong options of an executor', () => {
  it.each([
    [{ level: 'a', lvel: 'b' }, 'The options of the mine executor are wrong: Unrecognized key: "lvel".'],
    [
      { level: 1, binds: [{}] },
      /^The options of the mine executor are wrong: level: .*string.*; binds\.0\.source: .*\.$/,
    ],
  ])('%j are named, each by its place', async (options, message) => {
    expect(() => bindOptions(plugin, options)).toThrow(message);
    expect(() => bindOptions(plugin, options)).toThrow(expect.objectContaining({ code: 'RITMO_USAGE' }));
    await expect(bindExecutor(plugin, options)).rejects.toThrow(message);
  });

  it('that can only be checked later are no options for now', async () => {
    const late: ExecutorPlugin = {
      ...plugin,
      options: { '~standard': { version: 1, vendor: 'late', validate: (value) => Promise.resolve({ value }) } },
    };
    expect(() => bindOptions(late, {})).toThrow(expect.objectContaining({ code: 'RITMO_PLUGIN_INVALID' }));
    expect((await bindExecutor(late, {})).name).toBe('mine');
  });
});

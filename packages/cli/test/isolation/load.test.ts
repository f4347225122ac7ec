import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Import } from '../../src/import-package.js';
import { bindIsolations, loadIsolation } from '../../src/isolation/load.js';

const plugin = (changes: object = {}) => ({
  kind: 'ritmo.executor',
  name: 'mine',
  version: '1.0.0',
  contract: 1,
  options: z.strictObject({ host: z.string() }),
  create: () => undefined,
  ...changes,
});

const notFound: Import = async (name) => {
  throw Object.assign(new Error(`Cannot find package '${name}' imported from here`), { code: 'ERR_MODULE_NOT_FOUND' });
};
const exporting =
  (value: unknown): Import =>
  async () => ({ default: value });

describe('an isolation', () => {
  test('of ours is behind its short name', async () => {
    const asked: string[] = [];
    const load: Import = async (name) => {
      asked.push(name);
      return { default: plugin() };
    };
    for (const name of ['docker', 'process', 'vm', 'ritmo-executor-ssh', '@acme/chroot'])
      await loadIsolation(name, load);
    expect(asked).toEqual([
      '@ritmo/executor-docker',
      '@ritmo/executor-process',
      '@ritmo/executor-vm',
      'ritmo-executor-ssh',
      '@acme/chroot',
    ]);
  });

  test('that is not installed is told with what to do', async () => {
    await expect(loadIsolation('ritmo-executor-ssh', notFound)).rejects.toMatchObject({
      code: 'RITMO_PLUGIN_INVALID',
      message: 'The package ritmo-executor-ssh is not installed.',
      hint: expect.stringContaining('`--isolation process`'),
    });
  });

  test.each(['file:///x.js', 'data:text/javascript,1', 'node:fs', 'UPPER', ''])(
    '%j is refused as a name before anything is loaded',
    async (name) => {
      const load: Import = () => Promise.reject(new Error('must not be loaded'));
      await expect(loadIsolation(name, load)).rejects.toMatchObject({
        code: 'RITMO_PLUGIN_INVALID',
        message: expect.stringContaining('neither'),
      });
    },
  );

  test('in a file of this host is loaded from its path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-isolation-'));
    try {
      const file = join(folder, 'plugin.mjs');
      await writeFile(
        file,
        `export default { kind: 'ritmo.executor', name: 'mine', version: '1', contract: 1,
          options: { '~standard': { version: 1, vendor: 'x', validate: (value) => ({ value }) } }, create() {} };`,
      );
      await writeFile(join(folder, 'throws.mjs'), `throw new Error('not on this host');`);
      for (const name of [file, relative(process.cwd(), file)])
        expect(await loadIsolation(name)).toMatchObject({ name: 'mine' });
      await expect(loadIsolation(join(folder, 'throws.mjs'))).rejects.toMatchObject({
        code: 'RITMO_PLUGIN_INVALID',
        message: `${join(folder, 'throws.mjs')} cannot be loaded: not on this host.`,
      });
      for (const name of [join(folder, 'none.mjs'), folder])
        await expect(loadIsolation(name)).rejects.toMatchObject({
          code: 'RITMO_PLUGIN_INVALID',
          message: `${name} is no file.`,
        });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('whose name is nearly one of ours is answered with that, not with an installation', async () => {
    await expect(loadIsolation('proces', notFound)).rejects.toMatchObject({ hint: 'Did you mean process?' });
  });

  test('whose own import is missing is told as broken, not as missing', async () => {
    const load: Import = async () => {
      throw Object.assign(new Error("Cannot find package 'ssh2' imported from /x/ritmo-executor-ssh"), {
        code: 'ERR_MODULE_NOT_FOUND',
      });
    };
    await expect(loadIsolation('ritmo-executor-ssh', load)).rejects.toMatchObject({
      message:
        "The package ritmo-executor-ssh cannot be loaded: Cannot find package 'ssh2' imported from /x/ritmo-executor-ssh.",
    });
  });

  test.each([
    ['no executor', {}],
    ['another kind', plugin({ kind: 'other' })],
    ['another contract', plugin({ contract: 2 })],
    ['no options schema', plugin({ options: undefined })],
  ])('that exports %s is refused', async (_what, exported) => {
    await expect(loadIsolation('x', exporting(exported))).rejects.toMatchObject({ code: 'RITMO_PLUGIN_INVALID' });
  });

  test('gets options that pass its own schema, and no others', async () => {
    const load = exporting(plugin());
    const [binding] = await bindIsolations(['x'], () => ({ host: 'a' }), load);
    expect(binding?.name).toBe('mine');
    await expect(bindIsolations(['x'], () => ({ hots: 'a' }), load)).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: expect.stringContaining('The options of the mine executor are wrong: host'),
      hint: expect.stringContaining("--executor-options 'mine={"),
    });
  });
});

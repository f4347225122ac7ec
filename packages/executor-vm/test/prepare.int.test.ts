import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debianKernelPackage } from '../../../tests/support/kernel-package.js';
import { prepareVm, vmExecutor, type VmExecutorOptions } from '../src/index.js';
import { sh, testOptions } from './support/bench.js';
import { Workbench } from '../../../tests/support/workbench.js';
import { imageName } from './support/image.js';

const { archive, tree } = debianKernelPackage();
const nothing = () => undefined;
const log = { child: () => log, debug: nothing, info: nothing, warn: nothing, error: nothing };

let folder: string;
let options: VmExecutorOptions;

async function prepare(kernelPackage?: string): Promise<string> {
  const said: string[] = [];
  const given = kernelPackage === undefined ? {} : { kernelPackage };
  await prepareVm({ options, ...given, log, say: (sentence) => void said.push(sentence) });
  return said.join('\n');
}

describe('vm prepare', () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ritmo-prepare-'));
    chmodSync(folder, 0o711);
    const { kernel: _, ...rest } = testOptions({ cacheDir: join(folder, 'cache') });
    options = rest;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('takes a kernel package as Debian gives it, makes all that the first job needs, and says so', async () => {
    const said = await prepare(archive);
    expect(said).toContain(`Unpacked ${archive} to ${folder}/cache/kernel.`);
    expect(said).toMatch(/Machines boot \S+\/cache\/kernel\/boot\/vmlinuz-\S+cloud-amd64/);
    expect(said).toMatch(/^(KVM|Software emulation): \S/m);
    expect(said).toContain('Made a template of a machine with');
    expect(said).toContain(`The root filesystem of ${imageName} is `);
    expect(await prepare()).toContain('There is a template of a machine with');

    await using bench = await Workbench.open(vmExecutor(options));
    const report = await bench.executor.probe(new AbortController().signal);
    expect(report.facts).toMatchObject({ template: true, cachedImages: 1 });
    const box = await bench.sandbox({ network: 'none' });
    expect(box.description).toContain('restored from a template');
    expect((await sh(box, 'uname -r')).stdout).toContain('cloud-amd64');
    await box[Symbol.asyncDispose]();
    for (const name of ['boot', 'templates', 'images']) {
      const made = readdirSync(join(folder, 'cache', name));
      expect(made).not.toEqual([]);
      // Nothing is left of what was being made.
      expect(made.filter((each) => /^new-|\.[0-9a-f-]{36}$/.test(each))).toEqual([]);
    }
  });

  it('takes a folder in which a package is unpacked', async () => {
    const said = await prepare(tree);
    expect(said).toContain('Made a template of a machine with');
    expect(readdirSync(join(folder, 'cache')).toSorted()).toEqual(
      ['accelerator.json', 'boot', 'images', 'kernel', 'templates'].filter((name) =>
        existsSync(join(folder, 'cache', name)),
      ),
    );
    expect(existsSync(join(folder, 'cache/kernel/boot'))).toBe(true);
  });

  it('refuses what is no kernel package, with what to give, and leaves what was there', async () => {
    const kept = join(folder, 'cache/kernel/kept');
    mkdirSync(kept, { recursive: true });
    const garbage = join(folder, 'garbage.deb');
    writeFileSync(garbage, 'no package');
    const root = join(folder, 'root');
    mkdirSync(join(root, 'DEBIAN'), { recursive: true });
    const control = 'Package: other\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: no kernel\n';
    writeFileSync(join(root, 'DEBIAN/control'), control);
    execFileSync('dpkg-deb', ['--build', root, join(folder, 'other.deb')], { stdio: 'ignore' });
    for (const [path, code, said] of [
      [join(folder, 'nowhere.deb'), 'RITMO_USAGE', 'There is no'],
      [garbage, 'RITMO_EXECUTOR_UNAVAILABLE', 'cannot be unpacked'],
      [join(folder, 'other.deb'), 'RITMO_EXECUTOR_UNAVAILABLE', 'There is no kernel with its modules'],
      [root, 'RITMO_EXECUTOR_UNAVAILABLE', 'There is no kernel with its modules'],
    ] as const) {
      const refused = { code, message: expect.stringContaining(said), hint: expect.stringMatching(/\w/) };
      await expect(prepare(path)).rejects.toMatchObject(refused);
      await expect(prepare(path)).rejects.toThrow(path);
    }
    expect(readdirSync(join(folder, 'cache')).filter((name) => name.startsWith('kernel'))).toEqual(['kernel']);
    expect(existsSync(kept)).toBe(true);
  });
});

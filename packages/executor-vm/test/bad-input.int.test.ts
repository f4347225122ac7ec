import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findByEnvironment } from '@ritmo/host-linux';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debianKernelPackage } from '../../../tests/support/kernel-package.js';
import { tinyKernel } from '../src/accelerator/tiny-guest.js';
import type { VmExecutorOptions } from '../src/index.js';
import { sh, Workbench } from './support/bench.js';

let folder: string;
let cacheDir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-bad-'));
  chmodSync(folder, 0o711);
  cacheDir = join(folder, 'cache');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const leftOf = (bench: Workbench) => [
  ...readdirSync(join(bench.stateDir, 'sandboxes')),
  ...readdirSync(join(bench.stateDir, 'memory')),
  ...findByEnvironment(`RITMO_VM=${bench.host.ownerId}/`).map(({ pid }) => `process ${pid}`),
];
const inCache = (name: string) => readdirSync(join(cacheDir, name));
const never = new AbortController().signal;

/** A kernel that is this file, with modules that fit another. */
function kernelOf(content: Buffer): VmExecutorOptions['kernel'] {
  const { tree } = debianKernelPackage();
  const image = join(folder, 'kernel');
  writeFileSync(image, content);
  const modules = join(tree, 'lib/modules');
  return { image, modules: join(modules, readdirSync(modules)[0] ?? '') };
}

describe('a template that another QEMU has made', () => {
  it('is thrown away, and its jobs boot', async () => {
    await using bench = await Workbench.open({ cacheDir });
    await (await bench.sandbox({ network: 'none' }))[Symbol.asyncDispose]();
    const [name = ''] = inCache('templates');
    const path = join(cacheDir, 'templates', name, 'state');
    const state = readFileSync(path);
    const at = state.indexOf('pc-i440fx-');
    expect(at).toBeGreaterThan(0);
    state.write('pc-i440fx-0.0', at);
    chmodSync(path, 0o600);
    writeFileSync(path, state);
    for (let i = 0; i < 2; i++) {
      const box = await bench.sandbox({ network: 'none' });
      expect(box.description).toContain('booted');
      expect((await sh(box, 'echo fine')).stdout).toBe('fine\n');
      await box[Symbol.asyncDispose]();
    }
    expect(inCache('templates')).toEqual([]);
    expect((await bench.executor.probe(never)).facts).toMatchObject({ template: false });
    expect(leftOf(bench)).toEqual([]);
  });
});

describe('a guest that never says hello', () => {
  it.each([
    ['that waits for ever', () => tinyKernel(), { bootTimeoutMs: 2_000 }, 'say hello within 2 s'],
    ['whose kernel is none', () => Buffer.alloc(100_000, 'no kernel'), {}, 'ended by itself'],
  ])('ends the job with its reason: one %s', async (_what, kernel, options, said) => {
    await using bench = await Workbench.open({
      cacheDir,
      kernel: kernelOf(kernel()),
      accelerator: 'tcg',
      ...options,
    });
    await expect(bench.sandbox({ network: 'none' })).rejects.toMatchObject({
      code: 'RITMO_SANDBOX_BROKEN',
      message: expect.stringContaining(said),
      hint: expect.stringMatching(/\w/),
    });
    expect(leftOf(bench)).toEqual([]);
    expect(inCache('templates')).toEqual([]);
  });
});

describe('a disk without room', () => {
  it.each([
    ['a root filesystem', 'images', '1m'],
    ['a template', 'templates', '64m'],
    ['a kernel', 'boot', '16m'],
  ])('for %s ends the job with its remedy, and nothing half is kept', async (_what, name, size) => {
    const full = join(cacheDir, name);
    mkdirSync(full, { recursive: true });
    chmodSync(cacheDir, 0o711);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=711`, 'tmpfs', full]);
    try {
      const work = async () => {
        await using bench = await Workbench.open({ cacheDir });
        try {
          return await bench.sandbox({ network: 'none' });
        } finally {
          expect(leftOf(bench)).toEqual([]);
        }
      };
      await expect(work()).rejects.toMatchObject({
        code: 'RITMO_NO_ROOM',
        hint: expect.stringContaining('cacheDir'),
      });
      expect(inCache(name)).toEqual([]);
    } finally {
      execFileSync('umount', [full]);
    }
  });
});

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vmExecutor } from '../src/index.js';
import { hostIn, sh, testOptions, Workbench } from './support/bench.js';
import { busyboxTar, cacheDir } from './support/image.js';

const image = (reference: string) => ({ image: { reference, pull: ['never' as const] } });
let folder: string;
let bench: Workbench;

/** The root filesystem of the tests as a folder, changed by the test. */
function rootFolder(name: string, change: (root: string) => void): string {
  const root = join(folder, name);
  mkdirSync(root);
  execFileSync('tar', ['-xf', busyboxTar(), '-C', root]);
  change(root);
  return root;
}

function tarOf(name: string, change: (root: string) => void): string {
  const root = rootFolder(name, change);
  const path = join(folder, `${name}.tar`);
  execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', path, '.']);
  return path;
}

describe('images', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ritmo-images-'));
    const packed = join(folder, 'packed.tar.gz');
    execFileSync('sh', ['-c', 'gzip -c "$1" > "$2"', 'sh', busyboxTar(), packed]);
    const raw = join(folder, 'disk.raw');
    const root = rootFolder('folder', (at) => writeFileSync(join(at, 'etc/from'), 'folder\n'));
    execFileSync('/usr/sbin/mke2fs', ['-q', '-t', 'ext4', '-d', root, raw, '32M']);
    const qcow2 = join(folder, 'disk.qcow2');
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
    const foreign = tarOf('foreign', (at) => {
      const program = Buffer.alloc(64);
      program.write('\x7fELF\x02\x01\x01', 'latin1');
      program.writeUInt16LE(2, 16);
      program.writeUInt16LE(183, 18); // arm64
      rmSync(join(at, 'bin/sh'));
      writeFileSync(join(at, 'bin/sh'), program, { mode: 0o755 });
    });
    const shellless = tarOf('shellless', (at) => rmSync(join(at, 'bin/sh')));
    const hostile = join(folder, 'hostile.tar');
    rootFolder('evil', (at) => writeFileSync(join(at, 'etc/from'), 'evil'));
    execFileSync('tar', [
      '-C',
      join(folder, 'evil'),
      '--transform',
      's,^./etc/from,../../../../../../tmp/ritmo-escaped,',
      '-P',
      '-cf',
      hostile,
      '.',
    ]);
    writeFileSync(join(folder, 'garbage.tar'), Buffer.alloc(10_000, 'garbage'));
    bench = await Workbench.open({
      images: {
        packed: { tar: packed, user: 'build', env: { FROM_IMAGE: 'yes', PATH: '/bin' } },
        folder: { folder: root },
        raw: { disk: raw, format: 'raw' },
        qcow2: { disk: qcow2, format: 'qcow2', user: '1000:1000' },
        foreign: { tar: foreign },
        shellless: { tar: shellless },
        hostile: { tar: hostile },
        garbage: { tar: join(folder, 'garbage.tar') },
        gone: { tar: join(folder, 'gone.tar') },
      },
    });
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('of a packed archive give their user, home and environment', async () => {
    const box = await bench.sandbox(image('packed'));
    expect(box.uid).toBe(1000);
    const { stdout } = await sh(
      box,
      'id -u; id -g; echo $HOME $FROM_IMAGE; stat -c %u:%a /; : > "$HOME/mine"; : > mine; ls -ln mine | cut -c1-30',
    );
    expect(stdout).toContain('1000\n1000\n/home/build yes\n0:755\n');
    await box[Symbol.asyncDispose]();
  });

  it.each(['folder', 'raw', 'qcow2'])('of a %s are read, and what a job changes is gone with it', async (name) => {
    const before = statSync(join(folder, 'disk.raw')).mtimeMs;
    for (let i = 0; i < 2; i++) {
      const box = await bench.sandbox(image(name));
      const { stdout } = await sh(
        box,
        'cat /etc/from; ls /tmp; echo changed > /tmp/changed; echo > /etc/from || echo closed',
      );
      expect(stdout).toBe(name === 'qcow2' ? 'folder\nclosed\n' : 'folder\n');
      await box[Symbol.asyncDispose]();
    }
    expect(statSync(join(folder, 'disk.raw')).mtimeMs).toBe(before);
  });

  it.each([
    ['foreign', 'RITMO_IMAGE_PLATFORM'],
    ['shellless', 'RITMO_IMAGE_UNUSABLE'],
    ['garbage', 'RITMO_IMAGE_UNUSABLE'],
    ['gone', 'RITMO_IMAGE_MISSING'],
    ['never-heard-of', 'RITMO_IMAGE_MISSING'],
    ['no image', 'RITMO_IMAGE_INVALID'],
  ])('that no job can run in are refused by their code: %s', async (name, code) => {
    await expect(bench.sandbox(image(name))).rejects.toMatchObject({ code, hint: expect.stringMatching(/\w/) });
  });

  it('whose archive names what lies outside cannot write there', async () => {
    const box = await bench.sandbox(image('hostile')).catch((error: { code?: string }) => error.code);
    expect(() => statSync('/tmp/ritmo-escaped')).toThrow('ENOENT');
    if (typeof box === 'object') await box[Symbol.asyncDispose]();
  });
});

describe('a host that lacks something', () => {
  it.each([
    ['a kernel', { kernel: '/nowhere' }, 'kernel'],
    ['a kernel image', { kernel: { image: '/nowhere/image', modules: '/nowhere' } }, '/nowhere/image'],
    ['KVM that works', { accelerator: 'kvm' as const }, 'KVM'],
  ])('is refused with what is missing: %s', async (_what, over, said) => {
    const root = mkdtempSync(join(tmpdir(), 'ritmo-lacking-'));
    try {
      const opening = vmExecutor(testOptions({ cacheDir, ...over })).open(hostIn(root, 'lacking'));
      await expect(opening).rejects.toMatchObject({
        code: 'RITMO_EXECUTOR_UNAVAILABLE',
        message: expect.stringContaining(said),
        hint: expect.stringMatching(/\w/),
      });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  it('is told which programs to install, by their packages', async () => {
    const { requireTools } = await import('../src/requirements.js');
    const bin = mkdtempSync(join(tmpdir(), 'ritmo-bin-'));
    try {
      copyFileSync('/bin/true', join(bin, 'bwrap'));
      await expect(requireTools(bin)).rejects.toMatchObject({
        code: 'RITMO_EXECUTOR_UNAVAILABLE',
        message: 'Not installed: qemu-system-x86_64, busybox, mke2fs.',
        hint: 'apt-get install qemu-system-x86 busybox-static e2fsprogs',
      });
    } finally {
      rmSync(bin, { recursive: true });
    }
  });
});

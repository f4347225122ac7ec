import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRequest } from '@ritmo/agent-core/executor';
import { Registry, user } from '../../executor-docker/test/support/registry.js';
import { sh, Workbench } from './support/bench.js';
import { busyboxTar } from './support/image.js';

const address = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
const run = `test${process.pid}`;
const name = (what: string) => `ritmo-vm-test/${what}:${run}`;
const image = (reference: string, over: Partial<ImageRequest> = {}) => ({
  image: { reference, pull: ['never' as const], ...over },
});
const docker = (...args: string[]) =>
  execFileSync('docker', args, {
    encoding: 'utf8',
    env: { ...process.env, DOCKER_HOST: address },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
const rootFilesystems = () => readdirSync(join(folder, 'cache/images')).filter((file) => file.endsWith('.squashfs'));

let folder: string;
let bench: Workbench;
let registry: Registry;
let locked: Registry;

/** Makes an image of the root filesystem of the tests with one file of its own. */
function importImage(reference: string, from: string, ...args: string[]): string {
  const root = join(folder, `root-${readdirSync(folder).length}`);
  mkdirSync(root);
  execFileSync('tar', ['-xf', busyboxTar(), '-C', root]);
  writeFileSync(join(root, 'etc/from'), `${from}\n`);
  execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', `${root}.tar`, '.']);
  return docker('import', ...args, `${root}.tar`, reference);
}

/** Makes an image for another processor, as `docker save` would write it. */
function loadImage(reference: string, architecture: string): void {
  const root = join(folder, architecture);
  mkdirSync(root);
  copyFileSync(busyboxTar(), join(root, 'layer.tar'));
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'layer.tar')))
    .digest('hex');
  const rootfs = { type: 'layers', diff_ids: [`sha256:${digest}`] };
  writeFileSync(join(root, 'config.json'), JSON.stringify({ architecture, os: 'linux', config: {}, rootfs }));
  const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }];
  writeFileSync(join(root, 'manifest.json'), JSON.stringify(manifest));
  execFileSync('tar', ['-C', root, '-cf', `${root}.tar`, 'config.json', 'manifest.json', 'layer.tar']);
  docker('load', '-i', `${root}.tar`);
}

describe('images of a Docker daemon', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ritmo-vm-docker-'));
    chmodSync(folder, 0o711);
    bench = await Workbench.open({ docker: address, cacheDir: join(folder, 'cache') });
    registry = await Registry.start(false);
    locked = await Registry.start(true);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await locked[Symbol.asyncDispose]();
    const lines = docker('images', '--no-trunc', '--format', '{{.Repository}} {{.ID}}').split('\n');
    const ours = lines.flatMap((line) => (line.includes('ritmo-vm-test/') ? (line.split(' ')[1] ?? []) : []));
    if (ours.length > 0) docker('rmi', '-f', ...new Set(ours));
    rmSync(folder, { recursive: true });
  });

  it('give their files, user, home and environment, and no container of them is left', async () => {
    const reference = name('whole');
    importImage(reference, 'docker', '--change', 'USER build', '--change', 'ENV FROM_IMAGE=a=b');
    const box = await bench.sandbox(image(reference));
    const { stdout } = await sh(box, 'cat /etc/from; id -u; echo "$HOME" "$FROM_IMAGE"; stat -c %u /etc/from');
    expect(stdout).toBe('docker\n1000\n/home/build a=b\n0\n');
    await box[Symbol.asyncDispose]();
    expect(docker('ps', '-a', '--filter', 'label=dev.ritmo.export', '--format', '{{.ID}}')).toBe('');
  });

  it('become a root filesystem once for each digest, whatever names point to it', async () => {
    const [reference, other] = [name('digest'), name('digest-again')];
    importImage(reference, 'first');
    docker('tag', reference, other);
    const before = rootFilesystems().length;
    for (const each of [reference, other, reference]) {
      const box = await bench.sandbox(image(each));
      expect((await sh(box, 'cat /etc/from')).stdout).toBe('first\n');
      await box[Symbol.asyncDispose]();
    }
    expect(rootFilesystems()).toHaveLength(before + 1);
    importImage(reference, 'second');
    const box = await bench.sandbox(image(reference));
    expect((await sh(box, 'cat /etc/from')).stdout).toBe('second\n');
    await box[Symbol.asyncDispose]();
    expect(rootFilesystems()).toHaveLength(before + 2);
  });

  it('are made once when several jobs want them at the same time', async () => {
    const reference = name('shared');
    importImage(reference, 'shared');
    const before = rootFilesystems().length;
    const boxes = await Promise.all([1, 2, 3].map(() => bench.sandbox(image(reference))));
    for (const box of boxes) expect((await sh(box, 'cat /etc/from')).stdout).toBe('shared\n');
    await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
    expect(rootFilesystems()).toHaveLength(before + 1);
  });

  it('are pulled by the policy of the job', async () => {
    const reference = `${registry.address}/ritmo-vm-test/pulled:${run}`;
    importImage(reference, 'registry');
    docker('push', reference);
    docker('rmi', reference);
    await expect(bench.sandbox(image(reference))).rejects.toMatchObject({
      code: 'RITMO_IMAGE_MISSING',
      message: expect.stringContaining('may not be pulled'),
    });
    const from = async (pull: ImageRequest['pull']) => {
      const box = await bench.sandbox(image(reference, { pull }));
      const { stdout } = await sh(box, 'cat /etc/from');
      await box[Symbol.asyncDispose]();
      return stdout.trim();
    };
    expect(await from(['if-not-present'])).toBe('registry');
    importImage(reference, 'newer');
    docker('push', reference);
    docker('rmi', reference);
    importImage(reference, 'local');
    expect(await from(['if-not-present'])).toBe('local');
    expect(await from(['always'])).toBe('newer');
  });

  it('that their registry keeps from strangers are had with credentials alone', async () => {
    const reference = `${locked.address}/ritmo-vm-test/private:${run}`;
    importImage(reference, 'private');
    const config = join(folder, 'docker-config');
    mkdirSync(config);
    const auth = Buffer.from(`${user.username}:${user.password}`).toString('base64');
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [locked.address]: { auth } } }));
    docker('--config', config, 'push', reference);
    docker('rmi', reference);
    const wanted = image(reference, { pull: ['if-not-present'] });
    await expect(bench.sandbox(wanted)).rejects.toMatchObject({ code: 'RITMO_IMAGE_AUTH' });
    const withAuth = (auth: { username: string; password: string }) =>
      bench.sandbox(image(reference, { pull: ['if-not-present'], auth }));
    const box = await withAuth(user);
    expect((await sh(box, 'cat /etc/from')).stdout).toBe('private\n');
    await box[Symbol.asyncDispose]();
    // It lies here now, and still is not for who cannot show that he may have it.
    await expect(withAuth({ ...user, password: 'wrong' })).rejects.toMatchObject({ code: 'RITMO_IMAGE_AUTH' });
  });

  it.each([
    ['is nowhere', () => name('nowhere'), 'RITMO_IMAGE_MISSING'],
    ['its registry does not know', () => `${registry.address}/ritmo-vm-test/unknown:1`, 'RITMO_IMAGE_MISSING'],
    ['lies where nobody answers', () => '127.0.0.1:1/ritmo-vm-test/silent:1', 'RITMO_REGISTRY_UNREACHABLE'],
    ['is no reference', () => 'UPPER//case', 'RITMO_IMAGE_INVALID'],
    ['would be another call', () => '../containers/json', 'RITMO_IMAGE_INVALID'],
    ['would be another host', () => '//localhost/x', 'RITMO_IMAGE_INVALID'],
  ])('that %s end the job with its reason', async (_what, reference, code) => {
    const pull = code === 'RITMO_IMAGE_MISSING' && !reference().includes('127.0.0.1') ? 'never' : 'if-not-present';
    const asked = bench.sandbox(image(reference(), { pull: [pull] }));
    await expect(asked).rejects.toMatchObject({ code, hint: expect.stringMatching(/\w/) });
    expect(readdirSync(join(bench.stateDir, 'sandboxes'))).toEqual([]);
  });

  it('that are made for another processor are refused before they are unpacked', async () => {
    const reference = name('arm');
    loadImage(reference, 'arm64');
    const before = rootFilesystems();
    await expect(bench.sandbox(image(reference))).rejects.toMatchObject({
      code: 'RITMO_IMAGE_PLATFORM',
      message: expect.stringContaining('linux/arm64'),
      hint: expect.stringMatching(/\w/),
    });
    expect(rootFilesystems()).toEqual(before);
  });

  it('without a shell are refused, by name', async () => {
    const empty = join(folder, 'empty.tar');
    const root = join(folder, 'empty');
    mkdirSync(join(root, 'etc'), { recursive: true });
    execFileSync('tar', ['-C', root, '-cf', empty, '.']);
    docker('import', empty, name('shellless'));
    await expect(bench.sandbox(image(name('shellless')))).rejects.toMatchObject({
      code: 'RITMO_IMAGE_UNUSABLE',
      message: expect.stringContaining('/bin/sh'),
    });
    expect(readdirSync(join(bench.stateDir, 'sandboxes'))).toEqual([]);
  });
});

it('a daemon that is not there ends the job with its remedy', async () => {
  await using lonely = await Workbench.open({ docker: 'unix:///nowhere/docker.sock' });
  await expect(lonely.sandbox(image('debian:12'))).rejects.toMatchObject({
    code: 'RITMO_EXECUTOR_UNAVAILABLE',
    message: expect.stringContaining('Docker daemon'),
    hint: expect.stringContaining('Start Docker'),
  });
});

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { ImageRequest } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findDaemon } from '../src/docker/address.js';
import { tarOf } from '../src/docker/tar.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Worker } from './support/host.js';
import { Registry, user } from './support/registry.js';

const run = promisify(execFile);
let worker: Worker;
let open: Registry;
let closed: Registry;
let digest: string;

beforeAll(async () => {
  await makeBusyboxImage();
  [open, closed] = await Promise.all([Registry.start(false), Registry.start(true)]);
  digest = await open.push(busyboxImage, 'tools/busybox:1');
  await closed.push(busyboxImage, 'private/busybox:1');
  worker = await Worker.open();
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  for (const name of ['tools/busybox:1', `tools/busybox@${digest}`]) await open.forget(name);
  await closed.forget('private/busybox:1');
  await open[Symbol.asyncDispose]();
  await closed[Symbol.asyncDispose]();
});

const image = (reference: string, over: Partial<ImageRequest> = {}): { image: ImageRequest } => ({
  image: { reference, pull: ['if-not-present'], ...over },
});

async function refused(over: Parameters<Worker['box']>[0], code: string, by = worker): Promise<string> {
  const before = by.residue();
  const error: { code?: string; message: string; hint: string } = await by.box(over).then(
    () => ({ message: 'it was not refused', hint: '' }),
    (reason: { code: string; message: string; hint: string }) => reason,
  );
  expect(error, error.message).toMatchObject({ code });
  expect(error.hint).not.toBe('');
  expect(by.residue()).toEqual(before);
  return error.message;
}

it('pulls an image that is not there, says so, and runs a step in it', async () => {
  await open.forget('tools/busybox:1');
  await using box = await worker.box(image(`${open.address}/tools/busybox:1`));
  expect((await box.sh('echo fine')).text).toBe('fine\n');
  expect(worker.notes).toContain(`Pulling ${open.address}/tools/busybox:1.`);
});

it('pulls by digest', async () => {
  await using box = await worker.box(image(`${open.address}/tools/busybox@${digest}`));
  expect((await box.sh('echo fine')).text).toBe('fine\n');
  await refused(image(`${open.address}/tools/busybox@sha256:${'0'.repeat(64)}`), 'RITMO_IMAGE_MISSING');
});

it('pulls once for several builds that come at once', async () => {
  const reference = `${open.address}/tools/busybox:1`;
  const wanted = image(reference);
  const filters = ['event=pull', 'event=tag', `image=${reference}`].flatMap((filter) => ['--filter', filter]);
  const since = String(Date.now() / 1000);
  const follower = spawn('/usr/bin/docker', ['events', '--since', since, '--format', '{{.Action}}', ...filters]);
  const events = createInterface({ input: follower.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await events.next()).value);
  // What it has told is what it follows: the pulls are between two names that are given.
  await run('/usr/bin/docker', ['tag', busyboxImage, reference]);
  expect(await next()).toBe('tag');
  await open.forget('tools/busybox:1');
  const boxes = await Promise.all([1, 2, 3, 4].map(() => worker.box(wanted)));
  await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
  await run('/usr/bin/docker', ['tag', busyboxImage, reference]);
  expect([await next(), await next()]).toEqual(['pull', 'tag']);
  follower.kill();
});

it('never pulls under the policy never, and falls back to what is there by an ordered list', async () => {
  await refused(image('127.0.0.1:1/none/such:1', { pull: ['never'] }), 'RITMO_IMAGE_MISSING');
  worker.notes.length = 0;
  const gone = '127.0.0.1:1/tools/busybox:1';
  await run('/usr/bin/docker', ['tag', busyboxImage, gone]);
  await refused(image(gone, { pull: ['always'] }), 'RITMO_REGISTRY_UNREACHABLE');
  await using box = await worker.box(image(gone, { pull: ['always', 'if-not-present'] }));
  expect((await box.sh('exit 0')).exit).toEqual({ status: 'exited', code: 0 });
  expect(worker.notes.some((note) => note.includes('does not answer'))).toBe(true);
  await run('/usr/bin/docker', ['rmi', gone]);
});

it('gives a private image only to who has its credentials, although it lies on the worker', async () => {
  const reference = `${closed.address}/private/busybox:1`;
  await refused(image(reference), 'RITMO_IMAGE_AUTH');
  await refused(image(reference, { auth: { ...user, password: 'wrong' } }), 'RITMO_IMAGE_AUTH');
  await using box = await worker.box(image(reference, { auth: user }));
  expect((await box.sh('echo fine')).text).toBe('fine\n');
  await refused(image(reference, { auth: { ...user, password: 'wrong' } }), 'RITMO_IMAGE_AUTH');
});

it('uses the Docker config and the credential helpers of the operator', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-docker-config-'));
  const path = process.env['PATH'];
  try {
    const reference = `${closed.address}/private/busybox:1`;
    await closed.forget('private/busybox:1');
    const auth = Buffer.from(`${user.username}:${user.password}`).toString('base64');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [closed.address]: { auth } } }));
    {
      await using logged = await Worker.open({ configFolder: folder });
      await using box = await logged.box(image(reference, { pull: ['always'] }));
      expect((await box.sh('echo fine')).text).toBe('fine\n');
    }
    await writeFile(join(folder, 'config.json'), JSON.stringify({ credHelpers: { [closed.address]: 'ritmo-test' } }));
    const answer = JSON.stringify({ ServerURL: closed.address, Username: user.username, Secret: user.password });
    await writeFile(join(folder, 'docker-credential-ritmo-test'), `#!/bin/sh\ncat >/dev/null\necho '${answer}'\n`, {
      mode: 0o755,
    });
    await using helped = await Worker.open({ configFolder: folder });
    await refused(image(reference, { pull: ['always'] }), 'RITMO_IMAGE_AUTH', helped);
    process.env['PATH'] = `${folder}:${path}`;
    await using box = await helped.box(image(reference, { pull: ['always'] }));
    expect((await box.sh('echo fine')).text).toBe('fine\n');
  } finally {
    process.env['PATH'] = path;
    await rm(folder, { recursive: true });
  }
});

it('tells a missing image, a registry that is down, a wrong name and a forbidden one apart', async () => {
  await refused(image(`${open.address}/tools/none:1`), 'RITMO_IMAGE_MISSING');
  await refused(image('127.0.0.1:1/tools/none:1'), 'RITMO_REGISTRY_UNREACHABLE');
  await refused(image('not a name'), 'RITMO_IMAGE_INVALID');
  await using strict = await Worker.open({ allowedImages: ['docker.io/library/**', '127.0.0.1:*/tools/*'] });
  expect(await refused(image(busyboxImage), 'RITMO_POLICY_REFUSED', strict)).toContain(
    'docker.io/ritmo-test/busybox:1',
  );
  await using box = await strict.box(image(`${open.address}/tools/busybox:1`));
  expect((await box.sh('exit 0')).exit).toEqual({ status: 'exited', code: 0 });
});

it('gives up a pull that makes no progress, and one whose build was cancelled', async () => {
  const silent = createServer(() => undefined);
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const reference = `127.0.0.1:${(silent.address() as AddressInfo).port}/tools/none:1`;
  try {
    await using hasty = await Worker.open({ pullIdleMs: 500 });
    expect(await refused(image(reference), 'RITMO_REGISTRY_UNREACHABLE', hasty)).toContain('no progress');
    const connected = once(silent, 'connection');
    const controller = new AbortController();
    const pulling = worker.box(image(reference), controller.signal);
    pulling.catch(() => undefined);
    await connected;
    const why = new Error('cancelled');
    controller.abort(why);
    await expect(pulling).rejects.toBe(why);
  } finally {
    silent.close();
  }
});

/** Loads the busybox image again under another name, with something else in its configuration. */
async function changed(name: string, config: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-image-'));
  try {
    await run('sh', ['-c', '/usr/bin/docker save "$1" | tar -x -C "$2"', 'sh', busyboxImage, folder]);
    const [manifest] = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as [{ Config: string }];
    const path = join(folder, manifest.Config);
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...config }));
    const reference = `ritmo-test/${name}:1`;
    await writeFile(join(folder, 'manifest.json'), JSON.stringify([{ ...manifest, RepoTags: [reference] }]));
    await rm(join(folder, 'repositories'), { force: true });
    await run('sh', ['-c', 'tar -c -C "$1" . | /usr/bin/docker load', 'sh', folder]);
    return reference;
  } finally {
    await rm(folder, { recursive: true });
  }
}

it('refuses an image for another processor, one without /bin/sh and one whose user it does not know', async () => {
  const foreign = await changed('foreign', { architecture: 'arm64' });
  const unknown = await changed('unknown', { config: { User: 'nobody-knows' } });
  const { client } = await findDaemon(undefined);
  await client.importImage(tarOf([{ kind: 'folder', path: 'run' }]), 'ritmo-test/empty', '1');
  await refused(image(foreign), 'RITMO_IMAGE_PLATFORM');
  await refused(image(unknown), 'RITMO_IMAGE_UNUSABLE');
  await refused(image('ritmo-test/empty:1'), 'RITMO_IMAGE_UNUSABLE');
  await run('/usr/bin/docker', ['rmi', foreign, unknown, 'ritmo-test/empty:1']);
});

it("runs steps as the image's own user", async () => {
  const reference = await changed('as-build', { config: { User: 'build' } });
  {
    await using box = await worker.box(image(reference));
    expect((await box.sh('id -u; id -g; echo $HOME; touch file; stat -c %u file')).text).toBe(
      '1234\n1234\n/home/build\n1234\n',
    );
  }
  await run('/usr/bin/docker', ['rmi', reference]);
});

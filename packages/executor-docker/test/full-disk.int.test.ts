import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountLoopVolume, removeTree, unmountBelow } from '@ritmo/host-linux';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findDockerd, startDaemon } from './support/daemon.js';
import { Worker } from './support/host.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Registry } from './support/registry.js';

const MiB = 2 ** 20;
const usual = process.env['TMPDIR'];
let root: string;

/** A small disk, on which all that a test makes lies. */
beforeEach(async () => {
  // Paths of sockets have to be short.
  root = mkdtempSync(join(tmpdir(), 'full-'));
  chmodSync(root, 0o711);
  await mountLoopVolume({ image: join(root, 'image'), path: join(root, 'disk'), bytes: 96 * MiB });
  process.env['TMPDIR'] = join(root, 'disk');
});
afterEach(async () => {
  if (usual === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = usual;
  await unmountBelow(root);
  await removeTree(root);
});

/** Leaves no more than so many bytes. */
async function fill(leave: number): Promise<string> {
  const path = join(root, 'disk/filler');
  await using file = await open(path, 'w');
  const chunk = Buffer.alloc(64 * 1024, 1);
  for (let free = left(); free > leave; free = left()) {
    try {
      await file.write(chunk, 0, Math.min(chunk.length, free - leave));
    } catch {
      break;
    }
    await file.datasync();
  }
  return path;
}

const left = () => {
  const { bavail, bsize } = statfsSync(join(root, 'disk'));
  return bavail * bsize;
};

it('says that the disk of the worker is full, leaves nothing, and works again when there is room', async () => {
  await makeBusyboxImage();
  await using worker = await Worker.open();
  const filler = await fill(0);
  await expect(worker.box()).rejects.toMatchObject({ code: 'RITMO_DISK_FULL', retryable: true });
  expect(worker.leftOfJobs()).toEqual([]);
  rmSync(filler);
  await using box = await worker.box();
  expect((await box.sh('echo fine')).text).toBe('fine\n');
});

it('says that the disk of the daemon is full, for an image as for a container', async () => {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  await makeBusyboxImage();
  await using daemon = await startDaemon(dockerd, 'bridge');
  const address = `unix://${daemon.socket}`;
  process.env['TMPDIR'] = usual ?? '/tmp';
  await using registry = await Registry.start(false);
  await registry.push(busyboxImage, 'tools/busybox:1');
  await using worker = await Worker.open({ address });
  const image = { reference: `${registry.address}/tools/busybox:1`, pull: ['always' as const] };
  await fill(MiB);
  await expect(worker.box({ image })).rejects.toMatchObject({ code: 'RITMO_DISK_FULL', retryable: true });
  rmSync(join(root, 'disk/filler'));
  await makeBusyboxImage(address);
  await fill(0);
  await expect(worker.box()).rejects.toMatchObject({ code: 'RITMO_DISK_FULL', retryable: true });
  rmSync(join(root, 'disk/filler'));
  expect(worker.leftOfJobs()).toEqual([]);
  await using box = await worker.box();
  expect((await box.sh('echo fine')).text).toBe('fine\n');
});

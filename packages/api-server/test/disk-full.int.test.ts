import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { BlobStore } from '../src/artifacts/blob-store.js';

const run = promisify(execFile);

/** Where uploads lie, on a disk of 64 KiB. */
async function tinyDisk(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-disk-'));
  const uploads = join(folder, 'uploads');
  await mkdir(uploads);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', uploads]);
  onTestFinished(async () => {
    await run('umount', [uploads]);
    await rm(folder, { recursive: true });
  });
  return folder;
}

async function* kibibytes(count: number) {
  for (let n = 0; n < count; n++) yield Buffer.alloc(1024, n);
}

test('a disk that is full while a file arrives is said, and nothing of the file stays', async () => {
  const folder = await tinyDisk();
  const blobs = await BlobStore.open(folder, () => true);
  await expect(blobs.upload(kibibytes(200), 200 * 1024)).rejects.toMatchObject({
    code: 'RITMO_DISK_FULL',
    message: 'The disk of the API server is full.',
    hint: 'Make room on the API server.',
  });
  expect(await readdir(join(folder, 'uploads'))).toEqual([]);
  const { name } = await blobs.upload(kibibytes(10), 10 * 1024);
  expect(await readdir(join(folder, 'uploads'))).toEqual([name]);
});

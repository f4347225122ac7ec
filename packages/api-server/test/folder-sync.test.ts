import { expect, test } from 'vitest';
import { FolderSync } from '../src/artifacts/folder-sync.js';

test('calls for one folder share the sync after the one that runs; each began after its call', async () => {
  const begun: string[] = [];
  const ends: Array<() => void> = [];
  const folders = new FolderSync((folder) => {
    begun.push(folder);
    return new Promise((resolve) => ends.push(resolve));
  });
  const first = folders.sync('a');
  const rest = [folders.sync('a'), folders.sync('a'), folders.sync('a')];
  const other = folders.sync('b');
  expect(begun).toEqual(['a', 'b']);
  ends[0]?.();
  await first;
  await expect.poll(() => begun).toEqual(['a', 'b', 'a']);
  const last = folders.sync('a');
  ends[1]?.();
  ends[2]?.();
  await Promise.all([other, ...rest]);
  await expect.poll(() => begun).toHaveLength(4);
  ends[3]?.();
  await last;
});

test('a sync that fails is told to those who wait for it, and no other', async () => {
  let times = 0;
  const folders = new FolderSync(async () => {
    times += 1;
    if (times === 1) throw new Error('the disk is gone');
  });
  const first = folders.sync('a');
  const second = folders.sync('a');
  await expect(first).rejects.toThrow('the disk is gone');
  await second;
  await folders.sync('a');
  expect(times).toBe(3);
});

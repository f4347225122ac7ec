import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BlobStore, type Upload } from '../src/artifacts/blob-store.js';

let folder: string;
let store: BlobStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-blobs-'));
  store = await BlobStore.open(folder, () => false);
});
afterEach(() => rm(folder, { recursive: true }));

function upload(text: string): Promise<Upload> {
  const bytes = Buffer.from(text);
  return store.upload(
    (async function* () {
      yield bytes;
    })(),
    bytes.length,
  );
}

async function contentOf(sha256: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of await store.read(sha256)) parts.push(part);
  return Buffer.concat(parts).toString();
}

test('a content that is there is never replaced, and what was to replace it goes', async () => {
  const first = await upload('first');
  await store.commit(first);
  await store.commit({ ...(await upload('other')), sha256: first.sha256 });
  expect(await contentOf(first.sha256)).toBe('first');
  expect(await readdir(join(folder, 'uploads'))).toEqual([]);
});

test('two uploads never share a file, and a commit that is repeated is harmless', async () => {
  const [one, two] = await Promise.all([upload('same'), upload('same')]);
  expect(one.name).not.toBe(two.name);
  for (const each of [one, two, one]) await store.commit(each);
  expect(await contentOf(one.sha256)).toBe('same');
  await expect(store.commit({ name: one.name, sha256: (await upload('gone')).sha256 })).rejects.toThrow('ENOENT');
});

import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CollectedEntry } from '@ritmo/agent-core/executor';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fromSpool, Spool } from '../../src/index.js';

const facts = { kind: 'file', mode: 0o644, mtimeMs: 7 } as const;
let root: string;
let spool: Spool;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-spool-'));
  spool = new Spool(join(root, 'spool'));
});
afterEach(() => rmSync(root, { recursive: true }));

async function* body(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** Two archives: `one`, `` and `second` in the first, `other` in the second. */
async function taken(): Promise<CollectedEntry[]> {
  const entries: CollectedEntry[] = [];
  for (const archive of [['one', '', 'sec|ond'], ['other']]) {
    using file = spool.open();
    for (const text of archive) {
      const chunks = text.split('|');
      const at = await file.take(body(...chunks));
      entries.push(
        fromSpool(spool.folder, { ...facts, path: chunks.join(''), size: text.replace('|', '').length, ...at }),
      );
    }
  }
  return entries;
}

async function read(entry: CollectedEntry | undefined, from?: number, to?: number): Promise<string> {
  if (entry?.kind !== 'file') throw new Error('no file');
  const chunks: Uint8Array[] = [];
  for await (const chunk of from === undefined ? entry.body : (entry.range?.(from, to ?? entry.size) ?? []))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('each body is given out as it was taken, and one file holds those of an archive', async () => {
  const entries = await taken();
  expect(await Promise.all(entries.map((entry) => read(entry)))).toEqual(['one', '', 'second', 'other']);
  expect(readdirSync(spool.folder).length).toBe(2);
});

test('a part ends where its body does', async () => {
  const [one, empty, second] = await taken();
  expect(await read(second, 2, 5)).toBe('con');
  expect(await read(one, 1)).toBe('ne');
  expect(await read(empty, 0, 0)).toBe('');
  await expect(read(one, 1, 4)).rejects.toThrow('1 to 4 is no part of a file of 3 bytes');
  await expect(read(one, -1, 2)).rejects.toThrow('is no part');
});

test('a body that is cut off is refused, those before it are not', async () => {
  const [one, , second] = await taken();
  truncateSync(join(spool.folder, '1'), 8);
  expect(await read(one)).toBe('one');
  await expect(read(second)).rejects.toMatchObject({
    code: 'RITMO_ARTIFACT_REFUSED',
    message: 'second is not whole.',
  });
  rmSync(join(spool.folder, '1'));
  await expect(read(one, 0)).rejects.toMatchObject({ message: 'one cannot be read any more.' });
});

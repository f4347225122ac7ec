import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { marked } from './processes.js';

/** What exists of an owner: folders below the root, and processes that carry its mark. Asks no executor. */
export function witnessOf(root: string): (ownerId: string) => Promise<string[]> {
  return async (ownerId) => {
    const folders = await readdir(join(root, ownerId)).catch(() => []);
    const processes = await marked(`${ownerId}/`);
    return [...folders.map((name) => `folder ${name}`), ...processes.map(({ pid }) => `process ${pid}`)];
  };
}

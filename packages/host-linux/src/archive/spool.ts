import { closeSync, fstatSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type CollectedEntry, RitmoError } from '@ritmo/agent-core/executor';
import { readOpenFile } from '../files/read-file.js';

/**
 * Bodies of collected files, by number: nothing that a build chose is a name on this host. What is here lasts until the
 * folder is removed.
 */
export class Spool {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  }

  /** Takes the bytes in; returns the path of the new file. */
  async take(body: AsyncIterable<Uint8Array>): Promise<string> {
    this.#count += 1;
    const path = join(this.#folder, String(this.#count));
    const fd = openSync(path, 'wx', 0o600);
    try {
      for await (const chunk of body) for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    } finally {
      closeSync(fd);
    }
    return path;
  }
}

/** The file of a collected entry whose body lies in the spool. */
export function spooledFile(
  base: { readonly path: string; readonly pathBytes?: Uint8Array; readonly mode: number; readonly mtimeMs: number },
  at: string,
  size: number,
): CollectedEntry {
  const range = (start: number, end: number) => read(at, start, end, size, base.path);
  return { kind: 'file', ...base, size, body: range(0, size), range };
}

async function* read(at: string, start: number, end: number, size: number, shown: string): AsyncGenerator<Uint8Array> {
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end)) || start < 0 || end > size) {
    throw new RangeError(`${start} to ${end} is no part of a file of ${size} bytes`);
  }
  let fd: number;
  try {
    fd = openSync(at, 'r');
  } catch (error) {
    throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} cannot be read any more.`, { cause: error });
  }
  try {
    if (fstatSync(fd).size !== size) throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} is not whole.`);
    yield* readOpenFile(fd, start, end, shown);
  } finally {
    closeSync(fd);
  }
}

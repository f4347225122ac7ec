import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { S3Options } from '@ritmo/artifacts-s3';
import { figure } from '../system/figures.js';

const mostBytes = 150_000_000;

export interface StoredBy {
  /** Highest memory in bytes. */
  readonly peak: number;
  /** Of the sending alone. */
  readonly ms: number;
}

/** Stores a file of `size` bytes `count` times, in a process of its own. */
export async function storeProcess(
  options: S3Options,
  path: string,
  size: number,
  name: string,
  count = 1,
): Promise<StoredBy> {
  const script = fileURLToPath(new URL('store-process.mjs', import.meta.url));
  const argv = [script, JSON.stringify(options), path, String(size), name, String(count)];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  return JSON.parse(stdout) as StoredBy;
}

/** Says what a process held at most. */
export function memoryFigure(what: string, peak: number): void {
  figure(`highest memory of a process that stores ${what}`, `${Math.round(peak / 1e6)} MB`, '150 MB', peak < mostBytes);
}

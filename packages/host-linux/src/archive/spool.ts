import { closeSync, fstatSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type CollectedEntry, RitmoError } from '@ritmo/agent-core/executor';
import { readOpenFile } from '../files/read-file.js';

/**
 * Bodies of collected files, by number: nothing that a build chose is a name on this host. What is here lasts until the
 * folder is removed.
 */
export class Spool {
  readonly folder: string;
  #count = 0;

  constructor(folder: string) {
    this.folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  }

  /** Takes the bytes in; returns their number. */
  async take(body: AsyncIterable<Uint8Array>): Promise<number> {
    const number = ++this.#count;
    const fd = openSync(join(this.folder, String(number)), 'wx', 0o600);
    try {
      for await (const chunk of body) for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    } finally {
      closeSync(fd);
    }
    return number;
  }
}

interface SpooledBase {
  readonly path: string;
  /** In base64, where `path` cannot show the name. */
  readonly pathBytes?: string | undefined;
  readonly mode: number;
  readonly mtimeMs: number;
}

/** A collected entry as JSON: with it, and the bodies of its spool, another agent can give it out again. */
export type SpooledEntry =
  | (SpooledBase & { readonly kind: 'file'; readonly size: number; readonly number: number })
  | (SpooledBase & { readonly kind: 'link'; readonly target: string })
  | { readonly kind: 'refused'; readonly path: string; readonly why: string };

/** The entry, whose body lies in the spool of this folder. */
export function fromSpool(folder: string, spooled: SpooledEntry): CollectedEntry {
  if (spooled.kind === 'refused') return spooled;
  const { pathBytes, ...rest } = spooled;
  const named = pathBytes === undefined ? {} : { pathBytes: new Uint8Array(Buffer.from(pathBytes, 'base64')) };
  if (rest.kind === 'link') return { ...rest, ...named };
  const { number, size, path } = rest;
  const at = join(folder, String(number));
  const range = (start: number, end: number, into?: Uint8Array) => read({ at, size, shown: path }, start, end, into);
  const { kind, mode, mtimeMs } = rest;
  return { kind, path, ...named, mode, mtimeMs, size, body: range(0, size), range };
}

interface Body {
  readonly at: string;
  readonly size: number;
  readonly shown: string;
}

async function* read(
  { at, size, shown }: Body,
  start: number,
  end: number,
  into?: Uint8Array,
): AsyncGenerator<Uint8Array> {
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
    yield* readOpenFile(fd, start, end, shown, into);
  } finally {
    closeSync(fd);
  }
}

import { closeSync, fstatSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type CollectedEntry, RitmoError } from '@ritmo/agent-core/executor';
import { readOpenFile } from '../files/read-file.js';

/**
 * Bodies of collected files, those of one archive one behind the other in a file with a number: making a file costs more
 * than its few bytes, and nothing that a build chose is a name on this host. What is here lasts until the folder is removed.
 */
export class Spool {
  readonly folder: string;
  #count = 0;

  constructor(folder: string) {
    this.folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  }

  /** Begins the file of one archive. */
  open(): SpoolFile {
    this.#count += 1;
    return new SpoolFile(this.folder, this.#count);
  }
}

/** Where a body begins: in which file, at which byte. */
export interface SpooledAt {
  readonly number: number;
  readonly start: number;
}

/** Bodies of one archive, taken one after the other. */
export class SpoolFile implements Disposable {
  readonly #number: number;
  readonly #fd: number;
  #end = 0;

  constructor(folder: string, number: number) {
    this.#number = number;
    this.#fd = openSync(join(folder, String(number)), 'wx', 0o600);
  }

  /** Takes the bytes in. */
  async take(body: AsyncIterable<Uint8Array>): Promise<SpooledAt> {
    const at = { number: this.#number, start: this.#end };
    for await (const chunk of body) {
      for (let written = 0; written < chunk.length; ) written += writeSync(this.#fd, chunk, written);
      this.#end += chunk.length;
    }
    return at;
  }

  /** What was taken stays. */
  [Symbol.dispose](): void {
    closeSync(this.#fd);
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
  | (SpooledBase & SpooledAt & { readonly kind: 'file'; readonly size: number })
  | (SpooledBase & { readonly kind: 'link'; readonly target: string })
  | { readonly kind: 'refused'; readonly path: string; readonly why: string; readonly byRule?: true };

/** The entry, whose body lies in the spool of this folder. */
export function fromSpool(folder: string, spooled: SpooledEntry): CollectedEntry {
  if (spooled.kind === 'refused') return spooled;
  const { pathBytes, ...rest } = spooled;
  const named = pathBytes === undefined ? {} : { pathBytes: new Uint8Array(Buffer.from(pathBytes, 'base64')) };
  if (rest.kind === 'link') return { ...rest, ...named };
  const { number, start, size, path } = rest;
  const body = { file: join(folder, String(number)), start, size, shown: path };
  const range = (from: number, to: number, into?: Uint8Array) => read(body, from, to, into);
  const { kind, mode, mtimeMs } = rest;
  return { kind, path, ...named, mode, mtimeMs, size, body: range(0, size), range };
}

interface Body {
  readonly file: string;
  /** Its first byte there. */
  readonly start: number;
  readonly size: number;
  readonly shown: string;
}

async function* read(
  { file, start, size, shown }: Body,
  from: number,
  to: number,
  into?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to)) || from < 0 || to > size) {
    throw new RangeError(`${from} to ${to} is no part of a file of ${size} bytes`);
  }
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} cannot be read any more.`, { cause: error });
  }
  try {
    if (fstatSync(fd).size < start + size) throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${shown} is not whole.`);
    yield* readOpenFile(fd, start + from, start + to, shown, into);
  } finally {
    closeSync(fd);
  }
}

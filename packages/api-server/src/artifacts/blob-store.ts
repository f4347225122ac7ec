import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, isDiskFull, notFound } from '../errors.js';
import { FolderSync } from './folder-sync.js';

const readBytes = 256 * 1024;

/** Bytes that have arrived: the file they are in, and what they are. */
export interface Upload {
  readonly name: string;
  readonly sha256: string;
}

/** Contents of artifacts by sha256, and uploads that are not complete yet. */
export class BlobStore {
  readonly #blobs: string;
  readonly #uploads: string;
  readonly #folders = new FolderSync();
  /** Folders below `blobs` whose names are on the disk. */
  readonly #made = new Set<string>();
  bytesKept = 0;

  private constructor(blobs: string, uploads: string) {
    this.#blobs = blobs;
    this.#uploads = uploads;
  }

  /** `keep` says of an upload found on disk, by its name, whether it may still be completed. */
  static async open(folder: string, keep: (name: string) => boolean): Promise<BlobStore> {
    const store = new BlobStore(join(folder, 'blobs'), join(folder, 'uploads'));
    for (const path of [store.#blobs, store.#uploads]) await mkdir(path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#uploads)) if (!keep(name)) await rm(join(store.#uploads, name));
    return store;
  }

  /** Writes a body of exactly `size` bytes to a file that no other call writes to; nothing stays when it fails. */
  async upload(body: AsyncIterable<Uint8Array>, size: number): Promise<Upload> {
    const name = randomUUID();
    const path = join(this.#uploads, name);
    const hash = createHash('sha256');
    let length = 0;
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        for await (const bytes of body) {
          length += bytes.byteLength;
          if (length > size) break;
          await writeAll(file, bytes);
          hash.update(bytes);
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      if (length !== size)
        throw new ApiError(
          'RITMO_ARTIFACT_UPLOAD',
          `The file was announced with ${size} bytes; ${length > size ? 'more' : length} arrived.`,
        );
      await this.#folders.sync(this.#uploads);
    } catch (error) {
      await rm(path, { force: true });
      if (isDiskFull(error))
        throw new ApiError('RITMO_DISK_FULL', 'The disk of the API server is full.', {
          hint: 'Make room on the API server.',
          cause: error,
        });
      throw error;
    }
    this.bytesKept += length;
    return { name, sha256: hash.digest('hex') };
  }

  /**
   * Makes an upload the content of its sha256; a content that is there already stays as it is. Harmless when it is done
   * already. One call at a time, and none beside a `delete`.
   */
  async commit({ name, sha256 }: Upload): Promise<void> {
    const folder = join(this.#blobs, sha256.slice(0, 2));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (await exists(this.#path(sha256))) await this.discardUpload(name);
    else await rename(join(this.#uploads, name), this.#path(sha256));
    await this.#folders.sync(folder);
    if (this.#made.has(folder)) return;
    await this.#folders.sync(this.#blobs);
    this.#made.add(folder);
  }

  async discardUpload(name: string): Promise<void> {
    await rm(join(this.#uploads, name), { force: true });
  }

  async delete(sha256: string): Promise<void> {
    await rm(this.#path(sha256), { force: true });
  }

  /** The bytes of a content; throws RITMO_NOT_FOUND before the first when it is gone. */
  async read(sha256: string): Promise<AsyncGenerator<Uint8Array, void, void>> {
    try {
      return bytesOf(await open(this.#path(sha256), 'r'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(`content ${sha256} any more`);
      throw error;
    }
  }

  #path(sha256: string): string {
    return join(this.#blobs, sha256.slice(0, 2), sha256);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function* bytesOf(file: FileHandle): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(readBytes), 0, readBytes);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) done += (await file.write(bytes, done)).bytesWritten;
}

import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, isDiskFull, notFound } from '../errors.js';
import { syncFolder } from '../logs/open-log.js';

const readBytes = 256 * 1024;

/** Contents of artifacts by sha256, and uploads that are not complete yet. */
export class BlobStore {
  readonly #blobs: string;
  readonly #uploads: string;
  bytesKept = 0;

  private constructor(blobs: string, uploads: string) {
    this.#blobs = blobs;
    this.#uploads = uploads;
  }

  /** `keep` says of an upload found on disk whether its job may still complete it. */
  static async open(folder: string, keep: (upload: string) => boolean): Promise<BlobStore> {
    const store = new BlobStore(join(folder, 'blobs'), join(folder, 'uploads'));
    for (const path of [store.#blobs, store.#uploads]) await mkdir(path, { recursive: true, mode: 0o700 });
    for (const name of await readdir(store.#uploads)) if (!keep(name)) await rm(join(store.#uploads, name));
    return store;
  }

  /** Writes a body of exactly `size` bytes to disk and answers its sha256; nothing stays when it fails. */
  async upload(name: string, body: AsyncIterable<Uint8Array>, size: number): Promise<string> {
    const temporary = join(this.#uploads, `${name}.${randomUUID()}`);
    const hash = createHash('sha256');
    let length = 0;
    try {
      const file = await open(temporary, 'wx', 0o600);
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
      await rename(temporary, join(this.#uploads, name));
      await syncFolder(this.#uploads);
    } catch (error) {
      await rm(temporary, { force: true });
      if (isDiskFull(error))
        throw new ApiError('RITMO_DISK_FULL', 'The disk of the API server is full.', {
          hint: 'Make room on the API server.',
          cause: error,
        });
      throw error;
    }
    this.bytesKept += length;
    return hash.digest('hex');
  }

  /** Makes an upload the content of this sha256. Harmless when it is so already. */
  async commit(name: string, sha256: string): Promise<void> {
    const folder = join(this.#blobs, sha256.slice(0, 2));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await rename(join(this.#uploads, name), join(folder, sha256));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await stat(join(folder, sha256));
    }
    await syncFolder(folder);
    await syncFolder(this.#blobs);
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

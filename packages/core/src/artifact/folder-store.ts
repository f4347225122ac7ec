import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, open, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { shortName, workspacePath } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { Lease } from '../transport/transport.js';
import { linkStaysInside } from './link.js';
import { mapUnordered } from './map-unordered.js';
import { MeasuredBody } from './measured-body.js';
import type { ArtifactRef, ArtifactSession, ArtifactSource, ArtifactStore, UploadScope } from './store.js';

const parallel = 4;

/**
 * Artifacts in a folder of this machine, as `DIR/JOB/NAME/path`; a `/` in a name is written `%2F`. Each file appears
 * whole or not at all; modes are kept but for set-uid and the like, and links only where they stay inside.
 */
export function folderArtifactStore(dir: string): ArtifactStore {
  const root = resolve(dir);
  return {
    name: 'folder',
    open: async (lease) => new FolderSession(root, lease),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

class FolderSession implements ArtifactSession {
  readonly #root: string;
  readonly #partial = new Set<string>();
  /** By path: most files lie where one before them does. */
  readonly #folders = new Map<string, Promise<void>>();

  constructor(root: string, lease: Lease) {
    this.#root = join(root, lease.jobId);
  }

  add(files: AsyncIterable<ArtifactSource>, scope: UploadScope): AsyncIterable<ArtifactRef> {
    const store = async (source: ArtifactSource, signal: AbortSignal) => {
      try {
        return await this.#store(source, scope.progress, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw storeError(source, error);
      } finally {
        await source.release();
      }
    };
    return mapUnordered(files, parallel, store, scope.signal);
  }

  async commit(): Promise<void> {}

  async abort(): Promise<void> {
    for (const path of this.#partial) await rm(path, { force: true });
    this.#partial.clear();
  }

  async #store(source: ArtifactSource, progress: (bytes: number) => void, signal: AbortSignal): Promise<ArtifactRef> {
    const base = join(this.#root, source.name.replaceAll('/', '%2F'));
    const safe = shortName.safeParse(source.name).success && workspacePath.safeParse(source.path).success;
    const inside = source.linkTarget === undefined || linkStaysInside(source.path, source.linkTarget);
    if (!safe || !inside) throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${source.path} leads out of its folder.`);
    const path = join(base, source.path);
    await this.#makeFolder(base, dirname(source.path));
    const partial = join(dirname(path), `.ritmo-${randomUUID()}.partial`);
    this.#partial.add(partial);
    const hash = createHash('sha256');
    try {
      if (source.linkTarget === undefined) {
        const body = new MeasuredBody(source.path, source.read(), source.size, hash, progress);
        await write(partial, body, source.mode & 0o777, signal);
      } else await symlink(source.linkTarget, partial);
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    } finally {
      this.#partial.delete(partial);
    }
    const uri = pathToFileURL(path).href;
    return { name: source.name, path: source.path, uri, size: source.size, sha256: hash.digest('hex') };
  }

  #makeFolder(base: string, path: string): Promise<void> {
    const folder = join(base, path);
    const before = this.#folders.get(folder);
    if (before !== undefined) return before;
    const made = makeFolders(base, path);
    this.#folders.set(folder, made);
    // The next file may have better luck.
    made.catch(() => this.#folders.delete(folder));
    return made;
  }
}

async function write(path: string, body: AsyncIterable<Uint8Array>, mode: number, signal: AbortSignal): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  for await (const bytes of body) {
    signal.throwIfAborted();
    await file.writeFile(bytes);
  }
  await file.chmod(mode);
}

/** Makes the folders of a path one by one: none of them may be a link, or a build could write anywhere. */
async function makeFolders(base: string, path: string): Promise<void> {
  await mkdir(base, { recursive: true });
  let folder = base;
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    folder = join(folder, part);
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!(await lstat(folder)).isDirectory()) {
      throw new RitmoError('RITMO_ARTIFACT_REFUSED', `${path} lies behind something that is no folder.`);
    }
  }
}

function storeError(source: ArtifactSource, error: unknown): RitmoError {
  if (error instanceof RitmoError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new RitmoError(
    full ? 'RITMO_DISK_FULL' : 'RITMO_ARTIFACT_UPLOAD',
    `${source.path} could not be stored: ${message}`,
    {
      cause: error,
    },
  );
}

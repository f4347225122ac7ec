import { createHash } from 'node:crypto';
import { createReadStream, existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compileGlobs, type ImageRequest, RitmoError } from '@ritmo/agent-core/executor';
import type { ImageSource, ResolvedOptions } from '../options.js';
import { unavailable } from '../unavailable.js';
import { type CachedImage, ImageCache, type ImageFacts } from './cache.js';
import { type DaemonImage, DockerImages } from './docker.js';
import { type ImageUser, imageUser } from './passwd.js';
import type { RootImage } from './root-image.js';
import { readFiles, type SquashHost, squashTar } from './squash.js';
import { folderTar, unpackedTar } from './unpack.js';

export interface ImageScope {
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

export interface ImagesSettings {
  readonly options: ResolvedOptions;
  readonly cacheDir: string;
  /** Undefined where squashfs-tools are missing: then only disks of the operator's serve. */
  readonly squash: Pick<SquashHost, 'tools' | 'mark'> | undefined;
  /** Lends a user for tools that read what strangers made. */
  readonly withUser: <T>(work: (user: SquashHost['user']) => Promise<T>) => Promise<T>;
}

const word = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*';
const registry = '(?:[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*|\\[[0-9a-fA-F:]+\\])(?::\\d{1,5})?';
const dockerReference = new RegExp(
  `^(?:${registry}/)?${word}(?:/${word})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`,
);

interface Recipe {
  readonly digest: string;
  readonly reference: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  make(host: SquashHost, path: string): Promise<void>;
}

/** Root filesystems by the names that jobs write: made once, then taken from the cache. */
export class Images {
  readonly cache: ImageCache;
  readonly #settings: ImagesSettings;
  readonly #docker: DockerImages | undefined;
  readonly #making = new Map<string, Promise<CachedImage>>();

  constructor(settings: ImagesSettings) {
    const { options, cacheDir } = settings;
    this.#settings = settings;
    this.cache = new ImageCache(cacheDir, options.maxCacheBytes);
    this.#docker = options.docker === 'none' ? undefined : new DockerImages(options.docker);
  }

  /** Throws RITMO_IMAGE_INVALID or RITMO_POLICY_REFUSED; makes and asks nothing. */
  check(request: ImageRequest | undefined): ImageRequest {
    const { defaultImage, allowedImages } = this.#settings.options;
    const image =
      request ??
      (defaultImage === undefined ? undefined : { reference: defaultImage, pull: ['if-not-present' as const] });
    if (image === undefined) {
      throw new RitmoError('RITMO_IMAGE_INVALID', 'The job names no image, and this worker has no default.', {
        hint: 'Write `image:` into the job, or set `defaultImage` of the vm executor.',
      });
    }
    const { reference } = image;
    // What the operator has named may be called anything; the daemon must be asked for nothing but an image.
    const named = Object.hasOwn(this.#settings.options.images, reference);
    if (!named && (reference.length > 512 || !dockerReference.test(reference))) {
      throw new RitmoError('RITMO_IMAGE_INVALID', `${JSON.stringify(reference.slice(0, 200))} is no image reference.`);
    }
    const names = reference.split('/');
    if (
      allowedImages !== undefined &&
      !compileGlobs(allowedImages, { dot: true }).some((glob) => glob.matches(names))
    ) {
      throw new RitmoError(
        'RITMO_POLICY_REFUSED',
        `The operator of this worker does not allow the image ${reference}.`,
        {
          hint: `Allowed are: ${allowedImages.join(', ')}.`,
        },
      );
    }
    return image;
  }

  /** The root filesystem of an image, once it is there. */
  async ensure(request: ImageRequest, scope: ImageScope): Promise<RootImage> {
    const { options } = this.#settings;
    const source = Object.hasOwn(options.images, request.reference) ? options.images[request.reference] : undefined;
    if (source?.disk !== undefined) return diskImage(source, source.disk);
    const recipe =
      source === undefined ? await this.#fromDocker(request, scope) : fromSource(request.reference, source);
    const found = this.cache.find(recipe.digest) ?? (await this.#make(recipe, scope));
    const { path, facts } = found;
    return {
      path,
      format: 'raw',
      fileSystem: 'squashfs',
      uid: facts.uid,
      gid: facts.gid,
      home: facts.home,
      env: facts.env,
      verified: facts.verified,
      verify: () => this.cache.verify(recipe.digest),
    };
  }

  /** Several jobs that want the same wait for one that makes it. */
  async #make(recipe: Recipe, { signal, progress }: ImageScope): Promise<CachedImage> {
    let making = this.#making.get(recipe.digest);
    if (making === undefined) {
      progress(`Making the root filesystem of ${recipe.reference}`);
      making = this.#squash(recipe, signal).finally(() => this.#making.delete(recipe.digest));
      this.#making.set(recipe.digest, making);
      return await making;
    }
    progress(`Waiting for the root filesystem of ${recipe.reference}, which another job makes`);
    try {
      return await making;
    } catch (error) {
      signal.throwIfAborted();
      // The other job may have been stopped.
      return this.cache.find(recipe.digest) ?? (await this.#again(recipe, { signal, progress }, error));
    }
  }

  async #again(recipe: Recipe, scope: ImageScope, error: unknown): Promise<CachedImage> {
    if (error instanceof RitmoError) throw error;
    return await this.#make(recipe, scope);
  }

  async #squash(recipe: Recipe, signal: AbortSignal): Promise<CachedImage> {
    const { squash, withUser } = this.#settings;
    if (squash === undefined) {
      throw unavailable(
        'squashfs-tools are not installed, by which images become disks.',
        'apt-get install squashfs-tools',
      );
    }
    return await withUser(async (user) => {
      const host: SquashHost = { ...squash, user };
      return await this.cache.add(recipe.digest, async (path): Promise<ImageFacts> => {
        await recipe.make(host, path);
        const [passwd = '', group = ''] = await readFiles(host, path, ['etc/passwd', 'etc/group'], signal);
        const who: ImageUser = imageUser(recipe.user, passwd, group);
        return { ...who, env: recipe.env, reference: recipe.reference, verified: false };
      });
    });
  }

  async #fromDocker(request: ImageRequest, scope: ImageScope): Promise<Recipe> {
    const docker = this.#docker;
    const { reference } = request;
    if (docker === undefined) throw missing(reference, 'no Docker daemon is asked for images here');
    const image = await this.#find(docker, request, scope);
    if (image.os !== 'linux' || image.architecture !== 'amd64') {
      throw new RitmoError(
        'RITMO_IMAGE_PLATFORM',
        `${reference} is made for ${image.os}/${image.architecture}; machines of this worker run linux/amd64.`,
      );
    }
    const make = (host: SquashHost, path: string) =>
      docker.withArchive(image.id, (archive) => squashTar(host, archive, path, scope.signal));
    return { digest: image.id, reference, user: image.user, env: image.env, make };
  }

  async #find(docker: DockerImages, request: ImageRequest, { signal, progress }: ImageScope): Promise<DaemonImage> {
    const { reference, auth, pull } = request;
    let failure: unknown;
    for (const policy of pull.length === 0 ? (['if-not-present'] as const) : pull) {
      signal.throwIfAborted();
      try {
        // A private image that lies here for another job must not be had without its credentials.
        const mustAsk = policy === 'always' || (policy === 'if-not-present' && auth !== undefined);
        const local = mustAsk ? undefined : await docker.find(reference);
        if (local !== undefined) return local;
        if (policy === 'never')
          throw missing(reference, 'the Docker daemon does not have it, and it may not be pulled');
        await docker.pull(reference, auth, signal, progress);
        const pulled = await docker.find(reference);
        if (pulled !== undefined) return pulled;
        throw missing(reference, 'it is gone again after its pull');
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }
}

function fromSource(reference: string, { tar, folder, user = '', env = {} }: ImageSource): Recipe {
  const path = tar ?? folder ?? '';
  if (!existsSync(path)) throw missing(reference, `${path}, which the operator names for it, is not there`);
  const identity = tar === undefined ? folderIdentity(path) : fileIdentity(path);
  const digest = `source-${createHash('sha256').update([path, identity, user].join('\n')).digest('hex')}`;
  const never = new AbortController().signal;
  return {
    digest,
    reference,
    user,
    env,
    make: (host, image) =>
      squashTar(host, tar === undefined ? folderTar(path) : unpackedTar(createReadStream(path)), image, never),
  };
}

function diskImage({ user = '0:0', env = {}, format = 'raw' }: ImageSource, path: string): RootImage {
  if (!existsSync(path)) throw missing(path, 'the file is not there');
  const who = imageUser(user, '', '');
  return { path, format, fileSystem: 'auto', ...who, env, verified: false, verify: () => undefined };
}

function fileIdentity(path: string): string {
  const { size, mtimeMs, ino } = statSync(path);
  return `${size} ${mtimeMs} ${ino}`;
}

/** Names, sizes and times of all that it holds: what changes any of it changes this. */
function folderIdentity(path: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const { size, mtimeMs, mode } = lstatSync(join(path, name));
    hash.update(`${name}\0${size}\0${mtimeMs}\0${mode}\n`);
  }
  return hash.digest('hex');
}

function missing(reference: string, why: string): RitmoError {
  return new RitmoError('RITMO_IMAGE_MISSING', `There is no image ${reference}: ${why}.`, {
    hint: 'Check `image:`, have the job pull it (`pull: if-not-present`), or name it under `images` of the vm executor.',
  });
}

import type { Readable } from 'node:stream';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner, UserPool } from '@ritmo/host-linux';
import type { DockerClient, ImageInfo } from '../docker/client.js';
import { firstFile } from '../docker/tar.js';
import { imageUser } from '../image/user.js';
import { isRoot } from './container.js';
import type { SandboxRequest } from '@ritmo/agent-core/executor';
import type { Job } from './job.js';

/** What users are found out for, and looked at in a container of. */
interface UserOf {
  readonly request: Pick<SandboxRequest, 'profile' | 'slot'>;
  readonly signal: AbortSignal;
  labels(role: string): Record<string, string>;
}

/** Decides who the steps of a job run as. */
export class JobUsers {
  readonly #docker: DockerClient;
  readonly #pool: UserPool;
  readonly #firstUid: number;
  /** By image id: an image never changes. */
  readonly #ofImages = new Map<string, Owner>();
  readonly #taken = new Set<number>();

  constructor(docker: DockerClient, pool: UserPool, firstUid: number) {
    this.#firstUid = firstUid;
    this.#docker = docker;
    this.#pool = pool;
  }

  /**
   * The image's own user; under the profile hardened never root, but a user of the job's own. An agent without root
   * can hand files to nobody: what is not root is then the agent's own user.
   */
  async of(image: ImageInfo, job: Job): Promise<Owner> {
    const own = await this.#ofImage(image, job);
    const hardened = job.request.profile === 'hardened';
    if (own.uid === 0 && !hardened) return own;
    if (!isRoot()) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    if (own.uid !== 0) return own;
    const user = await this.#pool.take(job.request.slot);
    this.#taken.add(user.uid);
    this.#giveBackWith(job, user);
    return user;
  }

  /** The same where nothing of the job lies on this host: any number serves as a user of its own. */
  async remote(image: ImageInfo, job: UserOf): Promise<Owner> {
    const own = await this.#ofImage(image, job);
    if (own.uid !== 0 || job.request.profile !== 'hardened') return own;
    const uid = this.#firstUid + job.request.slot;
    return { uid, gid: uid };
  }

  /** Whether the user is one of the pool's, for one job at a time. */
  isOfPool({ uid }: Owner): boolean {
    return this.#taken.has(uid);
  }

  /** Takes over the user of a job that another agent process began; false where somebody else has claimed it. */
  async takeOver(user: Owner, job: Job): Promise<boolean> {
    if (!(await this.#pool.takeOver(user))) return false;
    this.#taken.add(user.uid);
    this.#giveBackWith(job, user);
    return true;
  }

  #giveBackWith(job: Job, user: Owner): void {
    job.keep({
      [Symbol.asyncDispose]: () => {
        this.#taken.delete(user.uid);
        this.#pool.giveBack(user);
        return Promise.resolve();
      },
    });
  }

  async #ofImage(image: ImageInfo, job: UserOf): Promise<Owner> {
    const known = this.#ofImages.get(image.id);
    if (known !== undefined) return known;
    await using files = new ImageFiles(this.#docker, image.id, job);
    const found = await imageUser(image.user, (path) => files.read(path));
    if (found === undefined) {
      throw new RitmoError(
        'RITMO_IMAGE_UNUSABLE',
        `The image runs as ${image.user}, whom its own passwd does not name.`,
      );
    }
    this.#ofImages.set(image.id, found);
    return found;
  }
}

/** Files of an image, out of a container that is never started; made when the first is read. */
class ImageFiles implements AsyncDisposable {
  readonly #docker: DockerClient;
  readonly #image: string;
  readonly #job: UserOf;
  #container: string | undefined;

  constructor(docker: DockerClient, image: string, job: UserOf) {
    this.#docker = docker;
    this.#image = image;
    this.#job = job;
  }

  async read(path: string): Promise<string | undefined> {
    this.#container ??= await this.#docker.createContainer(
      {
        Image: this.#image,
        Entrypoint: ['/bin/sh'],
        Labels: this.#job.labels('look'),
        HostConfig: { NetworkMode: 'none' },
      },
      this.#job.signal,
    );
    const archive: Readable | undefined = await this.#docker.readArchive(this.#container, path);
    return archive === undefined ? undefined : await firstFile(archive);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#container !== undefined) await this.#docker.removeContainer(this.#container);
  }
}

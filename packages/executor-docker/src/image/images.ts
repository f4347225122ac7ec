import { type Clock, type ImageRequest, RitmoError } from '@ritmo/agent-core/executor';
import type { Credentials, DaemonInfo, DockerClient, ImageInfo } from '../docker/client.js';
import type { ResolvedOptions } from '../options.js';
import { operatorCredentials } from './credentials.js';
import { assertAllowed } from './policy.js';
import { Puller } from './puller.js';
import { type ImageReference, parseReference } from './reference.js';

export interface ImageScope {
  readonly signal: AbortSignal;
  readonly progress: (note: string) => void;
}

/** Images that jobs may use, brought to the daemon by the policy of each request. */
export class Images {
  readonly #docker: DockerClient;
  readonly #daemon: DaemonInfo;
  readonly #options: ResolvedOptions;
  readonly #puller: Puller;

  constructor(docker: DockerClient, daemon: DaemonInfo, options: ResolvedOptions, clock: Clock) {
    this.#docker = docker;
    this.#daemon = daemon;
    this.#options = options;
    this.#puller = new Puller(docker, clock, options.pullIdleMs);
  }

  /** Throws RITMO_POLICY_REFUSED or RITMO_IMAGE_INVALID; makes and asks nothing. */
  check(request: ImageRequest): ImageReference {
    const image = parseReference(request.reference);
    assertAllowed(image, this.#options.allowedImages);
    return image;
  }

  /** The image, once it is there and fits the daemon. */
  async ensure(request: ImageRequest, scope: ImageScope): Promise<ImageInfo> {
    const image = this.check(request);
    const policies = request.pull.length === 0 ? (['if-not-present'] as const) : request.pull;
    let failure: unknown;
    for (const policy of policies) {
      scope.signal.throwIfAborted();
      try {
        const found = await this.#byPolicy(policy, image, request, scope);
        this.#assertPlatform(image, found);
        return found;
      } catch (error) {
        if (scope.signal.aborted) throw error;
        failure = error;
        if (policy !== policies.at(-1))
          scope.progress(`${RitmoError.from(error).message.replace(/\.?$/, '.')} Trying the next policy.`);
      }
    }
    throw failure;
  }

  async #byPolicy(
    policy: ImageRequest['pull'][number],
    image: ImageReference,
    request: ImageRequest,
    scope: ImageScope,
  ): Promise<ImageInfo> {
    // A private image that lies here for another job must not be had without its credentials.
    const mustAsk = policy === 'always' || (policy === 'if-not-present' && request.auth !== undefined);
    if (!mustAsk) {
      const local = await this.#docker.inspectImage(image.pullable);
      if (local !== undefined) return local;
      if (policy === 'never')
        throw missing(image, `There is no image ${image.full} on the worker, and it may not be pulled.`);
    }
    await this.#puller.pull(image, await this.#credentials(image, request), scope.progress, scope.signal);
    const pulled = await this.#docker.inspectImage(image.pullable);
    if (pulled === undefined) throw missing(image, `${image.full} is gone again after its pull.`);
    return pulled;
  }

  async #credentials(image: ImageReference, { auth }: ImageRequest): Promise<Credentials | undefined> {
    if (auth !== undefined) return { ...auth, serveraddress: image.registry };
    return await operatorCredentials(this.#options.configFolder, image.registry);
  }

  #assertPlatform(image: ImageReference, { os, architecture }: ImageInfo): void {
    const wanted = archNames[this.#daemon.architecture] ?? this.#daemon.architecture;
    const given = archNames[architecture] ?? architecture;
    if (os === this.#daemon.os && given === wanted) return;
    throw new RitmoError(
      'RITMO_IMAGE_PLATFORM',
      `${image.full} is made for ${os}/${architecture}; this worker runs ${this.#daemon.os}/${this.#daemon.architecture}.`,
    );
  }
}

const archNames: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', '386': 'amd64' };

function missing(image: ImageReference, message: string): RitmoError {
  const hint = `Pull it there (\`docker pull ${image.pullable}\`), or let the job pull it (\`pull: if-not-present\`).`;
  return new RitmoError('RITMO_IMAGE_MISSING', message, { hint });
}

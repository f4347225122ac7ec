import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import { type ImageRequest, RitmoError } from '@ritmo/agent-core/executor';

/** An image that the daemon has. */
export interface DaemonImage {
  /** `sha256:…`, of its content. */
  readonly id: string;
  readonly user: string;
  readonly env: Readonly<Record<string, string>>;
  readonly os: string;
  readonly architecture: string;
}

/** The Docker daemon as a place where images come from: no container of it ever runs. */
export class DockerImages {
  readonly #docker: Docker;

  /** `address` is unix:///PATH. */
  constructor(address: string) {
    this.#docker = new Docker({ socketPath: address.slice('unix://'.length) });
  }

  /** Undefined where it has none of that name. Rejects with RITMO_EXECUTOR_UNAVAILABLE when it does not answer. */
  async find(reference: string): Promise<DaemonImage | undefined> {
    try {
      const { Id, Config, Os, Architecture } = await this.#docker.getImage(reference).inspect();
      const variables = (Config?.Env ?? []).map((text) => [
        text.slice(0, text.indexOf('=')),
        text.slice(text.indexOf('=') + 1),
      ]);
      return {
        id: Id,
        user: Config?.User ?? '',
        env: Object.fromEntries(variables) as Record<string, string>,
        os: Os,
        architecture: Architecture,
      };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw silent(error);
    }
  }

  /** Pulls; `progress` gets what the daemon says. */
  async pull(
    reference: string,
    auth: ImageRequest['auth'],
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<void> {
    try {
      const options = {
        abortSignal: signal,
        ...(auth === undefined ? {} : { authconfig: { ...auth, serveraddress: '' } }),
      };
      const stream = (await this.#docker.pull(reference, options)) as unknown as Readable;
      await new Promise<void>((resolve, reject) => {
        this.#docker.modem.followProgress(
          stream,
          (error: Error | null) => (error === null ? resolve() : reject(error)),
          (event: { status?: string; id?: string }) => {
            if (event.status !== undefined && event.id === undefined) progress(event.status);
          },
        );
      });
    } catch (error) {
      signal.throwIfAborted();
      throw pullError(reference, error);
    }
  }

  /** Lends an archive of all that a container of the image would see. */
  async withArchive<T>(id: string, use: (archive: Readable) => Promise<T>): Promise<T> {
    let container: Docker.Container | undefined;
    try {
      // Never started, so that any command will do.
      container = await this.#docker.createContainer({
        Image: id,
        Cmd: ['/ritmo'],
        Labels: { 'dev.ritmo.export': id },
      });
      return await use((await container.export()) as unknown as Readable);
    } catch (error) {
      if (error instanceof RitmoError) throw error;
      throw silent(error);
    } finally {
      await container?.remove({ force: true }).catch(() => undefined);
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

function silent(cause: unknown): RitmoError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new RitmoError(
    'RITMO_EXECUTOR_UNAVAILABLE',
    `The Docker daemon, which has the images, does not answer: ${said}`,
    {
      hint: 'Start Docker, name its socket (DOCKER_HOST, or `docker` of the vm executor), or name root filesystems under `images`.',
      cause,
    },
  );
}

function pullError(reference: string, cause: unknown): RitmoError {
  const said = cause instanceof Error ? cause.message : String(cause);
  if (/no matching manifest|does not match the specified platform/i.test(said))
    return new RitmoError('RITMO_IMAGE_PLATFORM', `${reference} is not made for linux/amd64: ${said}`, { cause });
  if (/no space left/i.test(said))
    return new RitmoError('RITMO_NO_ROOM', `The Docker daemon has no room for ${reference}: ${said}`, { cause });
  if (/unauthorized|no basic auth|authentication required|denied|incorrect username or password|forbidden/i.test(said))
    return new RitmoError('RITMO_IMAGE_AUTH', `The registry does not give ${reference} away: ${said}`, { cause });
  if (/not found|manifest unknown|does not exist|name unknown/i.test(said))
    return new RitmoError('RITMO_IMAGE_MISSING', `There is no image ${reference}: ${said}`, { cause });
  if (
    /no such host|connection refused|timeout|connection reset|unreachable|tls:|x509|EOF|server gave HTTP|50[234]/i.test(
      said,
    )
  )
    return new RitmoError('RITMO_REGISTRY_UNREACHABLE', `The registry of ${reference} does not answer: ${said}`, {
      cause,
    });
  if (/ECONNREFUSED|ENOENT|EACCES/.test(said)) return silent(cause);
  return new RitmoError('RITMO_IMAGE_PULL_FAILED', `${reference} could not be pulled: ${said}`, { cause });
}

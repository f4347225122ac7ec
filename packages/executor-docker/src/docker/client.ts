import { Readable } from 'node:stream';
import Docker from 'dockerode';
import { DockerError } from './error.js';

export type ContainerSpec = Docker.ContainerCreateOptions;
export type HostSpec = Docker.HostConfig;

/** Where a daemon listens. */
export type DockerAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly protocol: 'http' | 'https'; readonly tls?: TlsFiles };

export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface DaemonInfo {
  /** Docker, or what speaks its language. */
  readonly engine: 'Docker' | 'Podman';
  readonly id: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly os: string;
  /** As images write it: amd64, arm64. */
  readonly architecture: string;
  readonly storageDriver: string;
  readonly cgroupVersion: string;
  readonly rootless: boolean;
  readonly userns: boolean;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly initBinary: string;
}

export interface ImageInfo {
  readonly id: string;
  readonly os: string;
  readonly architecture: string;
  readonly user: string;
  readonly env: readonly string[];
  readonly digests: readonly string[];
}

export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly running: boolean;
  /** A process in it was killed for want of memory, at any time. */
  readonly outOfMemory: boolean;
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Addresses by network name. */
  readonly addresses: Readonly<Record<string, string>>;
}

export interface Listed {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly serveraddress?: string;
}

export interface PullEvent {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export interface DockerCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** A tar archive to send. */
  readonly archive?: Readable | Buffer;
  readonly expect?: 'json' | 'stream' | 'connection';
  readonly signal?: AbortSignal;
}

/** The calls of the Docker Engine API that this package makes; every failure is a DockerError. */
export class DockerClient {
  readonly #docker: Docker;

  constructor(address: DockerAddress) {
    this.#docker =
      'socketPath' in address
        ? new Docker({ socketPath: address.socketPath })
        : new Docker({ host: address.host, port: address.port, protocol: address.protocol, ...address.tls });
  }

  async info(signal?: AbortSignal): Promise<DaemonInfo> {
    const [version, info] = await this.#call(
      abortable(signal, Promise.all([this.#docker.version(), this.#docker.info()])),
    );
    const options: readonly string[] = info.SecurityOptions ?? [];
    const components: ReadonlyArray<{ readonly Name: string }> = version.Components ?? [];
    return {
      engine: components.some(({ Name }) => /podman/i.test(Name)) ? 'Podman' : 'Docker',
      id: info.ID,
      version: version.Version,
      apiVersion: version.ApiVersion,
      os: version.Os,
      architecture: version.Arch,
      storageDriver: info.Driver,
      cgroupVersion: String(info.CgroupVersion ?? '1'),
      rootless: options.some((option) => option.includes('rootless')),
      userns: options.some((option) => option.includes('userns')),
      memoryBytes: info.MemTotal,
      cpus: info.NCPU,
      initBinary: info.InitBinary ?? '',
    };
  }

  async inspectImage(reference: string): Promise<ImageInfo | undefined> {
    const found = await this.#found(this.#docker.getImage(reference).inspect());
    if (found === undefined) return undefined;
    return {
      id: found.Id,
      os: found.Os,
      architecture: found.Architecture,
      user: found.Config?.User ?? '',
      env: found.Config?.Env ?? [],
      digests: found.RepoDigests ?? [],
    };
  }

  /** The daemon's lines about a pull; it is stopped by destroying the stream. */
  async pull(reference: string, auth: Credentials | undefined, signal: AbortSignal): Promise<Readable> {
    const options = { ...(auth === undefined ? {} : { authconfig: auth }), abortSignal: signal };
    return (await this.#call(this.#docker.pull(reference, options as object))) as unknown as Readable;
  }

  /** Makes an image of one layer from a tar archive; resolves with its id. */
  async importImage(tar: Buffer | Readable, repository: string, tag: string): Promise<string> {
    const stream = await this.#call<AsyncIterable<Buffer>>(
      this.#docker.importImage(tar instanceof Readable ? tar : Readable.from([tar]), {
        repo: repository,
        tag,
      }) as unknown as Promise<Readable>,
    );
    let said = '';
    for await (const chunk of stream) said += chunk.toString();
    const id = /sha256:[0-9a-f]{64}/.exec(said)?.[0];
    if (id === undefined) throw new DockerError(`The image ${repository} was not imported: ${said.slice(0, 400)}`, {});
    // Podman gives what is imported no name, or another tag.
    if ((await this.inspectImage(`${repository}:${tag}`))?.id !== id) {
      await this.#call(this.#docker.getImage(id).tag({ repo: repository, tag }));
    }
    return id;
  }

  /** Not abortable once it was sent: the daemon would make the container all the same, and nobody knew its id. */
  async createContainer(spec: ContainerSpec, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    // By the library's own call it would stand in the address too, and so in the daemon's log.
    const made = await this.dial({ method: 'POST', path: '/containers/create', body: spec });
    return (made as { readonly Id: string }).Id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#call(this.#docker.getContainer(id).start());
  }

  /** The exit code of a container: of one that was started, at once where it has ended; else of the next start. */
  async waitForExit(id: string, when: 'started' | 'next', signal: AbortSignal): Promise<number> {
    const condition = when === 'started' ? 'not-running' : 'next-exit';
    // As a stream: an answer that breaks off in the middle is then an error, and not waited for without end.
    const stream = await this.dial({
      method: 'POST',
      path: `/containers/${id}/wait`,
      query: { condition },
      expect: 'stream',
      signal,
    });
    let text = '';
    try {
      for await (const chunk of stream as Readable) text += chunk.toString();
      return (JSON.parse(text) as { StatusCode: number }).StatusCode;
    } catch (error) {
      signal.throwIfAborted();
      throw DockerError.from(error);
    }
  }

  async inspectContainer(id: string): Promise<ContainerState | undefined> {
    const found = await this.#found(this.#docker.getContainer(id).inspect());
    if (found === undefined) return undefined;
    return {
      id: found.Id,
      name: found.Name,
      running: found.State.Running,
      outOfMemory: found.State.OOMKilled,
      pid: found.State.Pid,
      exitCode: found.State.ExitCode,
      error: found.State.Error,
      labels: found.Config.Labels,
      addresses: Object.fromEntries(
        Object.entries(found.NetworkSettings.Networks ?? {}).map(([name, { IPAddress }]) => [name, IPAddress]),
      ),
    };
  }

  /** Bytes that a container has written into its own layer. */
  async layerBytes(id: string): Promise<number> {
    const found = await this.#found(this.#docker.getContainer(id).inspect({ size: true } as object));
    return (found as { SizeRw?: number } | undefined)?.SizeRw ?? 0;
  }

  /** A container that has ended, or is gone, is no error. */
  async killContainer(id: string): Promise<void> {
    await this.#gone(this.#docker.getContainer(id).kill({ signal: 'SIGKILL' }), [404, 409]);
  }

  async removeContainer(id: string): Promise<void> {
    try {
      await this.#call(this.#docker.getContainer(id).remove({ force: true, v: true }));
    } catch (error) {
      if (!(error instanceof DockerError) || (error.status !== 404 && error.status !== 409)) throw error;
      // 409: its removal is under way already.
      while ((await this.inspectContainer(id)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async listContainers(label: string): Promise<Listed[]> {
    const found = await this.#call(this.#docker.listContainers({ all: true, filters: { label: [label] } }));
    return found.map(({ Id, Labels }) => ({ id: Id, labels: Labels }));
  }

  /** What a container has printed, as far as the daemon kept it; at most `tail` lines. */
  async containerLog(id: string, tail: number): Promise<string> {
    const log = await this.#call(this.#docker.getContainer(id).logs({ stdout: true, stderr: true, tail }));
    return demultiplex(log);
  }

  /** A tar archive of a path in a container, or undefined where there is none. */
  async readArchive(id: string, path: string): Promise<Readable | undefined> {
    return (await this.#found(this.#docker.getContainer(id).getArchive({ path }))) as unknown as Readable | undefined;
  }

  /** Runs a command in a container beside its main process and waits for its end; its output is thrown away. */
  async exec(id: string, argv: readonly string[], signal: AbortSignal): Promise<number> {
    const exec = await this.#call(
      this.#docker.getContainer(id).exec({ Cmd: [...argv], AttachStdout: true, AttachStderr: true }),
    );
    const stream = await this.#call(exec.start({ abortSignal: signal }));
    const stop = () => stream.destroy();
    signal.addEventListener('abort', stop, { once: true });
    try {
      stream.resume();
      await new Promise<void>((resolve) => stream.once('close', resolve).once('end', resolve));
      signal.throwIfAborted();
      return (await this.#call(exec.inspect())).ExitCode ?? -1;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async createNetwork(options: Docker.NetworkCreateOptions): Promise<string> {
    return (await this.#call(this.#docker.createNetwork(options))).id;
  }

  async removeNetwork(id: string): Promise<void> {
    await this.#gone(this.#docker.getNetwork(id).remove(), [404]);
  }

  async listNetworks(label?: string): Promise<Array<Listed & { readonly name: string; readonly subnets: string[] }>> {
    const filters = label === undefined ? {} : { filters: { label: [label] } };
    const found = await this.#call(this.#docker.listNetworks(filters));
    return found.map(({ Id, Name, Labels, IPAM }) => ({
      id: Id,
      name: Name,
      labels: Labels ?? {},
      subnets: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
    }));
  }

  /** A call by its path; resolves with the JSON of the answer, or as `expect` says with its stream or its connection. */
  dial(call: DockerCall): Promise<unknown> {
    const { method, path, query, body, archive, expect = 'json', signal } = call;
    const options = {
      // A path that ends with `?` is what the library adds a query to.
      ...{
        method,
        path: query === undefined ? path : `${path}?`,
        isStream: expect !== 'json',
        hijack: expect === 'connection',
      },
      ...(body === undefined && query === undefined ? {} : { options: { _query: query ?? {}, _body: body ?? {} } }),
      ...(archive === undefined ? {} : { file: archive }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
      statusCodes: {
        101: true,
        200: true,
        201: true,
        204: true,
        404: 'not found',
        409: 'conflict',
        500: 'server error',
      },
    };
    return new Promise((resolve, reject) => {
      this.#docker.modem.dial(options, (error: unknown, answer: unknown) => {
        if (error === null || error === undefined) resolve(answer);
        else reject(DockerError.from(error));
      });
    });
  }

  async #call<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw DockerError.from(error);
    }
  }

  async #found<T>(promise: Promise<T>): Promise<T | undefined> {
    try {
      return await this.#call(promise);
    } catch (error) {
      if (error instanceof DockerError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #gone(promise: Promise<unknown>, statuses: readonly number[]): Promise<void> {
    try {
      await this.#call(promise);
    } catch (error) {
      if (!(error instanceof DockerError && error.status !== undefined && statuses.includes(error.status))) throw error;
    }
  }
}

async function abortable<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return await promise;
  promise.catch(() => undefined);
  signal.throwIfAborted();
  const controller = new AbortController();
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: controller.signal }),
  );
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    controller.abort();
  }
}

/** Text of a stream whose frames begin with eight bytes: the stream, three zeros and the length. */
function demultiplex(frames: Buffer): string {
  let text = '';
  for (let at = 0; at + 8 <= frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    text += frames.subarray(at + 8, at + 8 + length).toString();
    at += 8 + length;
  }
  return text;
}

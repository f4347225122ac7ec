import { type PrepareScope, RitmoError, type ServiceRequest } from '@ritmo/agent-core/executor';
import { connect } from 'node:net';
import { confinement, limits, type Place, standing } from '../job/spec.js';
import type { Job } from '../job/job.js';
import { insidePaths } from '../supervisor/script.js';

const lookMs = 250;
const connectMs = 1_000;
const logLines = 30;
const logDriver = { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '1' } };

/** The services of a job, started and ready. Each is known on the job's network by its name. */
export class ServiceGroup implements AsyncDisposable {
  readonly #job: Job;
  readonly #containers: string[] = [];

  private constructor(job: Job) {
    this.#job = job;
  }

  /**
   * Brings the images, starts all and waits until each is ready; leaves nothing when that fails.
   * @throws RITMO_SERVICE_FAILED
   */
  static async start(job: Job, place: Place, scope: PrepareScope): Promise<ServiceGroup> {
    const group = new ServiceGroup(job);
    const over = new AbortController();
    const signal = AbortSignal.any([scope.signal, job.signal, over.signal]);
    try {
      const starting = job.request.services.map((service) => group.#start(service, place, { ...scope, signal }));
      try {
        await Promise.all(starting);
      } catch (error) {
        // The others need not go on, and nothing may be made after this.
        over.abort(error);
        await Promise.allSettled(starting);
        throw error;
      }
      return group;
    } catch (error) {
      await group[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#containers.map((id) => this.#job.host.docker.removeContainer(id)));
  }

  async #start(service: ServiceRequest, place: Place, scope: PrepareScope): Promise<void> {
    const { network, hosts } = place;
    const address = hosts?.[service.name];
    const { docker, images, options } = this.#job.host;
    const image = await images.ensure(service.image, scope);
    const { Memory, ...rest } = limits(service.limits, options.defaultPids);
    const id = await docker.createContainer(
      {
        Image: image.id,
        Hostname: service.name,
        ...(service.command === undefined ? {} : { Cmd: [...service.command] }),
        Env: Object.entries(service.env).map(([name, value]) => `${name}=${value}`),
        Labels: this.#job.labels('service'),
        HostConfig: {
          ...rest,
          ...(Memory === undefined ? {} : { Memory }),
          ...confinement(false),
          Init: true,
          ...standing(place),
          LogConfig: logDriver,
          ...(service.limits.tmpBytes === undefined
            ? {}
            : { Tmpfs: { '/tmp': `size=${service.limits.tmpBytes},mode=1777` } }),
          Binds: service.workspace ? [`${this.#job.folders.workspace}:${insidePaths.workspace}`] : [],
        },
        NetworkingConfig: {
          EndpointsConfig: {
            [network]: {
              Aliases: [service.name],
              ...(address !== undefined && { IPAMConfig: { IPv4Address: address } }),
            },
          },
        },
      },
      scope.signal,
    );
    this.#containers.push(id);
    scope.signal.throwIfAborted();
    await docker.startContainer(id);
    scope.progress(`Service ${service.name} started.`);
    await this.#ready(service, id, network, scope);
  }

  async #ready(service: ServiceRequest, id: string, network: string, scope: PrepareScope): Promise<void> {
    const { docker, clock } = this.#job.host;
    const until = clock.monotonic() + (service.ready?.timeoutMs ?? 0);
    let late = false;
    for (;;) {
      scope.signal.throwIfAborted();
      const state = await docker.inspectContainer(id);
      if (state?.running !== true)
        throw await this.#failed(service, id, `ended with code ${state?.exitCode ?? '?'}`, scope);
      if (late) throw await this.#failed(service, id, 'did not become ready in time', scope);
      if (await this.#answers(service, id, state.addresses[network] ?? '', scope.signal)) break;
      // Looked at once more: one that has ended meanwhile is told as ended.
      late = clock.monotonic() > until;
      await clock.sleep(lookMs, scope.signal);
    }
    if (service.ready !== undefined) scope.progress(`Service ${service.name} is ready.`);
  }

  async #answers({ ready }: ServiceRequest, id: string, address: string, signal: AbortSignal): Promise<boolean> {
    if (ready?.command !== undefined) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
      const { docker } = this.#job.host;
      const code = await docker.exec(id, ready.command, bounded).catch(async (error: unknown) => {
        signal.throwIfAborted();
        // In one that has just ended nothing runs: who looks at it next tells so.
        if (bounded.aborted || (await docker.inspectContainer(id))?.running !== true) return -1;
        throw error;
      });
      if (code !== 0) return false;
    }
    return ready?.tcpPort === undefined || (await accepts(address, ready.tcpPort));
  }

  async #failed({ name }: ServiceRequest, id: string, how: string, scope: PrepareScope): Promise<RitmoError> {
    const log = await this.#job.host.docker.containerLog(id, logLines);
    for (const line of log.split('\n').filter(Boolean)) scope.progress(`${name}: ${line}`);
    return new RitmoError('RITMO_SERVICE_FAILED', `The service ${name} ${how}.`);
  }
}

/** Whether somebody listens there, seen from the host: its bridge reaches every container. */
function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectMs });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('timeout', () => settle(false));
  });
}

import type { Socket } from 'node:net';
import { type Clock, RitmoError, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import type { StepCommand } from '@ritmo/host-linux';
import type { ContainerSpec, DockerClient } from '../../docker/client.js';
import { DockerError } from '../../docker/error.js';
import { type ContainerStats, RemoteCalls } from '../../docker/remote-calls.js';
import { containerEnd, outOfMemory } from '../../job/container-end.js';
import { startContainer } from '../../job/start-container.js';
import type { Shell } from '../../supervisor/supervisor.js';
import { Frames } from './frames.js';
import { RemoteProcesses, runScript } from './remote-processes.js';
import { runRemoteStep, type StepHost } from './run-remote-step.js';
import { keeperScript, type OwnPids } from './scripts.js';

const greetingMs = 60_000;
const longestGreeting = 200;
/** How long the daemon may take to say why a container has ended, in milliseconds. */
const endMs = 5_000;

export interface RemoteContainerSettings {
  readonly docker: DockerClient;
  readonly clock: Clock;
  /** Everything but the main process. */
  readonly spec: ContainerSpec;
  readonly user: { readonly uid: number; readonly gid: number };
  /** Seconds after which the container ends by itself. */
  readonly deadlineSeconds: number;
}

/**
 * A container that the daemon's API alone reaches. Its main process lives for as long as our connection with its input:
 * when the agent ends, so does the container. Steps are commands beside it, one after the other.
 */
export class RemoteContainer implements AsyncDisposable {
  readonly id: string;
  readonly calls: RemoteCalls;
  readonly #docker: DockerClient;
  readonly #connection: Socket;
  readonly #host: StepHost;
  readonly #over = new AbortController();
  #running: Promise<StepExit> | undefined;
  /** Why no step can run any more. */
  #outOfMemory: RitmoError | undefined;

  private constructor(
    { docker, clock }: RemoteContainerSettings,
    host: Omit<StepHost, 'ended' | 'clock'>,
    connection: Socket,
  ) {
    this.id = host.container;
    this.calls = host.calls;
    this.#docker = docker;
    this.#connection = connection;
    const ended = containerEnd(docker, this.id, this.#over.signal);
    ended.catch(() => undefined);
    this.#host = { ...host, clock, ended };
  }

  /** Makes and starts it; leaves nothing when that fails. */
  static async start(settings: RemoteContainerSettings, signal: AbortSignal): Promise<RemoteContainer> {
    const { docker, spec, user, deadlineSeconds } = settings;
    const calls = new RemoteCalls(docker);
    const container = await docker.createContainer(
      {
        ...spec,
        Entrypoint: ['/bin/sh'],
        Cmd: ['-c', keeperScript, 'ritmo', String(deadlineSeconds)],
        User: `${user.uid}:${user.gid}`,
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        HostConfig: { ...spec.HostConfig, LogConfig: { Type: 'none', Config: {} }, Init: true },
      },
      signal,
    );
    let connection: Socket | undefined;
    try {
      // Nothing is aborted with the call: it is the connection that the container lives by.
      connection = await calls.attach(container, new AbortController().signal);
      const greeting = readGreeting(connection, AbortSignal.any([signal, AbortSignal.timeout(greetingMs)]));
      greeting.catch(() => undefined);
      await startContainer(docker, container);
      const { shell, own } = await greeting;
      connection.resume();
      signal.throwIfAborted();
      const pidsLimit = spec.HostConfig?.PidsLimit ?? 0;
      const processes = await RemoteProcesses.look({ calls, container, own, pidsLimit });
      return new RemoteContainer(settings, { calls, container, shell, own, processes }, connection);
    } catch (error) {
      connection?.destroy();
      await docker.removeContainer(container);
      signal.throwIfAborted();
      throw error;
    }
  }

  async run(command: StepCommand, scope: StepScope): Promise<StepExit> {
    if (this.#outOfMemory !== undefined) return { status: 'not-started', error: this.#outOfMemory };
    if (this.#running !== undefined)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The container runs a command already.');
    this.#running = runRemoteStep(this.#host, command, scope).catch((error: unknown) => this.#whyEnded(error));
    try {
      return await this.#running;
    } catch (error) {
      if (!(error instanceof RitmoError && error.code === 'RITMO_LIMIT_HIT')) throw error;
      this.#outOfMemory = outOfMemory();
      return { status: 'signalled', signal: 'SIGKILL', limit: 'memory' };
    } finally {
      this.#running = undefined;
    }
  }

  /** Runs a script of ours as the user of the steps, between them; resolves with what it printed. */
  async script(text: string): Promise<string> {
    const printed = runScript(this.calls, this.id, text).catch((error: unknown) => this.#whyEnded(error));
    return await Promise.race([printed, this.#host.ended]);
  }

  /** Ends whatever runs beside our own. */
  async quiet(): Promise<void> {
    await this.#host.processes.end();
  }

  async stats(signal: AbortSignal): Promise<ContainerStats> {
    return await this.calls.stats(this.id, signal);
  }

  /** Ends everything in it; a command that runs rejects with RITMO_SANDBOX_BROKEN. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new RitmoError('RITMO_SANDBOX_BROKEN', 'The sandbox was disposed.'));
    const removed = this.#docker.removeContainer(this.id);
    await Promise.allSettled([this.#running, removed]);
    this.#connection.destroy();
    await removed;
  }

  /** A call may be refused because the container has ended before we are told of the end: then that is the reason. */
  async #whyEnded(error: unknown): Promise<never> {
    const refused = error instanceof DockerError && error.status !== undefined;
    if (refused) await Promise.race([this.#host.ended, this.#host.clock.sleep(endMs)]);
    throw error;
  }
}

/** The first line of the main process. */
function readGreeting(
  connection: Socket,
  signal: AbortSignal,
): Promise<{ readonly shell: Shell; readonly own: OwnPids }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const frames = new Frames((_, bytes) => (text += bytes.toString('latin1')));
    const fail = (message: string) =>
      reject(
        new RitmoError('RITMO_IMAGE_UNUSABLE', message, {
          hint: 'It must be a POSIX shell that runs as the user of the image.',
        }),
      );
    signal.addEventListener('abort', () => fail('/bin/sh of the image said nothing.'), { once: true });
    connection.once('close', () => fail('/bin/sh of the image ended at once.'));
    connection.on('data', (chunk: Buffer) => {
      // Whatever is printed later is nobody's.
      if (text.includes('\n') || text.length > longestGreeting) return;
      try {
        frames.take(chunk);
      } catch {
        fail('/bin/sh of the image could not be heard.');
      }
      const words = /^hello (bash|other) (\d{1,10}) (\d{1,10})\n/.exec(text);
      if (words !== null) {
        const shell = words[1] === 'bash' ? 'bash' : 'other';
        resolve({ shell, own: { keeper: Number(words[2]), watcher: Number(words[3]) } });
      } else if (text.includes('\n') || text.length > longestGreeting)
        fail('/bin/sh of the image said something else.');
    });
  });
}

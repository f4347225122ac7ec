import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Logger, RitmoError, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { groupOfProcess, type GroupView, type Owner, readProcess, removeTree } from '@ritmo/host-linux';
import type { ContainerSpec, DockerClient } from '../docker/client.js';
import { ContainerProcesses } from '../step/processes.js';
import { type CommandHost, runCommand } from '../step/run-command.js';
import { Output } from '../supervisor/output.js';
import { Pipes } from '../supervisor/pipes.js';
import { insidePaths, supervisorScript } from '../supervisor/script.js';
import type { Command } from '../supervisor/step-file.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { Counters } from './counters.js';

const greetingMs = 30_000;

export interface ContainerSettings {
  readonly docker: DockerClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Everything but what the supervisor needs. */
  readonly spec: ContainerSpec;
  /** Folder in memory for the FIFOs and the script. */
  readonly folder: string;
  /** Folder in memory that the container sees as its private one, for step files. */
  readonly privateDir: string;
  readonly owner: Owner;
  /** Seconds after which the container ends by itself. */
  readonly deadlineSeconds: number;
  readonly isDiskFull: () => boolean;
}

/** Whether the agent may hand files over and signal processes of others. */
export const isRoot = () => process.getuid?.() === 0;

/** A container whose main process is our supervisor: it runs commands one after the other. */
export class SupervisedContainer implements AsyncDisposable {
  readonly id: string;
  readonly #settings: ContainerSettings;
  readonly #pipes: Pipes;
  readonly #host: CommandHost;
  readonly #counters: Counters;
  readonly #over = new AbortController();
  #running: Promise<StepExit> | undefined;
  #steps = 0;

  private constructor(
    id: string,
    settings: ContainerSettings,
    pipes: Pipes,
    supervisor: Supervisor,
    group: GroupView,
    processes: ContainerProcesses,
  ) {
    this.id = id;
    this.#settings = settings;
    this.#pipes = pipes;
    this.#counters = new Counters(group, settings.isDiskFull);
    const ended = this.#ended();
    ended.catch(() => undefined);
    this.#host = {
      supervisor,
      output: new Output(pipes.stdout, pipes.stderr),
      processes,
      clock: settings.clock,
      ended,
      sampleLimits: () => this.#counters.sample(),
      limitHit: () => this.#counters.take(),
      place: (text) => this.#place(text),
      takeAway: () => this.#takeAway(),
    };
  }

  /** Makes and starts it; leaves nothing when that fails. */
  static async start(settings: ContainerSettings, signal: AbortSignal): Promise<SupervisedContainer> {
    const { docker, folder, owner, privateDir } = settings;
    mkdirSync(folder, { mode: 0o711 });
    chmodSync(folder, 0o711);
    writeFileSync(join(folder, 'supervisor.sh'), supervisorScript, { mode: 0o644 });
    const pipes = await Pipes.make(folder, isRoot() ? owner : undefined);
    let id: string | undefined;
    try {
      const supervisor = new Supervisor(pipes.control, pipes.status);
      id = await docker.createContainer(withSupervisor(settings, folder, privateDir), signal);
      signal.throwIfAborted();
      await startContainer(docker, id);
      await greeted(docker, id, supervisor, settings, signal);
      pipes.unlink();
      const { group, processes } = await lookAt(docker, id, settings);
      return new SupervisedContainer(id, settings, pipes, supervisor, group, processes);
    } catch (error) {
      pipes[Symbol.dispose]();
      if (id !== undefined) await docker.removeContainer(id);
      await removeTree(folder);
      throw error;
    }
  }

  get cpuMs(): number {
    return this.#counters.cpuMs;
  }

  get memoryPeakBytes(): number | undefined {
    return this.#counters.memoryPeakBytes;
  }

  async run(command: Command, scope: StepScope): Promise<StepExit> {
    if (this.#running !== undefined)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The container runs a command already.');
    this.#running = runCommand(this.#host, command, scope);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends everything in it; a command that runs rejects with RITMO_SANDBOX_BROKEN. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#counters.sample();
    this.#over.abort(new RitmoError('RITMO_SANDBOX_BROKEN', 'The sandbox was disposed.'));
    await Promise.allSettled([this.#running]);
    this.#pipes[Symbol.dispose]();
    await this.#settings.docker.removeContainer(this.id);
    await removeTree(this.#settings.folder);
  }

  async #ended(): Promise<never> {
    const { docker } = this.#settings;
    try {
      await docker.waitForExit(this.id, 'started', this.#over.signal);
    } catch (error) {
      if (this.#over.signal.aborted) throw this.#over.signal.reason;
      throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The Docker daemon was lost while the job ran.', {
        hint: 'See whether it runs: `systemctl status docker`.',
        cause: error,
      });
    }
    throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The container of the job has ended.', {
      hint: 'A step has ended everything in it, or somebody has removed it from outside.',
    });
  }

  async #place(text: string): Promise<string> {
    const name = `.step-${(this.#steps += 1)}`;
    const path = join(this.#settings.privateDir, name);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    if (isRoot()) await chown(path, this.#settings.owner.uid, this.#settings.owner.gid);
    return `${insidePaths.privateDir}/${name}`;
  }

  async #takeAway(): Promise<void> {
    await rm(join(this.#settings.privateDir, `.step-${this.#steps}`), { force: true });
  }
}

function withSupervisor(
  { spec, deadlineSeconds, owner }: ContainerSettings,
  folder: string,
  privateDir: string,
): ContainerSpec {
  return {
    ...spec,
    Entrypoint: ['/bin/sh'],
    Cmd: [`${insidePaths.supervisor}/supervisor.sh`, String(deadlineSeconds)],
    User: `${owner.uid}:${owner.gid}`,
    AttachStdout: false,
    AttachStderr: false,
    HostConfig: {
      ...spec.HostConfig,
      Binds: [
        ...(spec.HostConfig?.Binds ?? []),
        `${folder}:${insidePaths.supervisor}:ro`,
        `${privateDir}:${insidePaths.privateDir}:ro`,
      ],
      LogConfig: { Type: 'none', Config: {} },
      Init: true,
    },
  };
}

async function startContainer(docker: DockerClient, id: string): Promise<void> {
  try {
    await docker.startContainer(id);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (/\/bin\/sh/.test(said) && /no such file|not found|permission denied|exec format/i.test(said)) {
      throw new RitmoError('RITMO_IMAGE_UNUSABLE', 'The image has no /bin/sh that runs, which builds need.', {
        cause: error,
      });
    }
    if (/no space left/i.test(said)) {
      throw new RitmoError('RITMO_DISK_FULL', 'The disk of the Docker daemon is full.', { cause: error });
    }
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `The container could not be started: ${said.slice(0, 400)}`, {
      cause: error,
    });
  }
}

async function greeted(
  docker: DockerClient,
  id: string,
  supervisor: Supervisor,
  { clock }: ContainerSettings,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal });
    if (signal.aborted) reject(signal.reason as Error);
  });
  const exit = docker.waitForExit(id, 'started', over.signal).then((code) => {
    throw new RitmoError('RITMO_IMAGE_UNUSABLE', `/bin/sh of the image ended at once, with code ${code}.`, {
      hint: 'It must be a POSIX shell that runs as the user of the image.',
    });
  });
  const late = clock.sleep(greetingMs, over.signal).then(() => {
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `The container said nothing for ${greetingMs / 1000} seconds.`, {
      hint: 'Daemon and agent must share a file system: no FIFO of ours came through.',
    });
  });
  for (const promise of [aborted, exit, late]) promise.catch(() => undefined);
  try {
    await Promise.race([supervisor.greeting, aborted, exit, late]);
  } finally {
    over.abort(new Error('greeted'));
  }
}

async function lookAt(docker: DockerClient, id: string, { clock }: ContainerSettings) {
  const state = await docker.inspectContainer(id);
  const group = state === undefined ? undefined : groupOfProcess(state.pid);
  if (group?.names(id) !== true) {
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The processes of containers cannot be seen from here.', {
      hint: 'Run the agent on the host of the Docker daemon, with /proc and /sys/fs/cgroup of that host.',
    });
  }
  const own = group.processes().flatMap((pid) => readProcess(pid) ?? []);
  const insideKill = isRoot()
    ? undefined
    : async (inside: readonly number[], name: string) => {
        const argv = ['/bin/sh', '-c', 'kill -s "$@" 2>/dev/null; :', 'kill', name, ...inside.map(String)];
        await docker.exec(id, argv, AbortSignal.timeout(10_000));
      };
  return { group, processes: new ContainerProcesses(group, own, clock, insideKill) };
}

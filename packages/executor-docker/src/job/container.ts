import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { chown, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { type Clock, type Logger, RitmoError, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { type GroupView, type Owner, removeTree, type StepCommand } from '@ritmo/host-linux';
import type { ContainerSpec, DockerClient } from '../docker/client.js';
import type { KeptStep } from '../step/kept-step.js';
import { ContainerProcesses, ownProcesses } from '../step/processes.js';
import { attachCommand, type CommandHost, runCommand } from '../step/run-command.js';
import { Output } from '../supervisor/output.js';
import { Pipes } from '../supervisor/pipes.js';
import { insidePaths, supervisorScript } from '../supervisor/script.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { containerEnd } from './container-end.js';
import { Counters } from './counters.js';
import { Kept } from './kept.js';
import { giveSign } from './sign.js';
import { greeted, killInside, lookAt, startContainer, withSupervisor } from './start-container.js';

const stepPrefix = '.step-';
/** How long a container may take to end after its first process was killed, in milliseconds. */
const endMs = 5_000;
/** Beside the folder that the container sees. */
const keptFolder = (folder: string) => `${folder}-kept`;

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
  /** Counts what a container uses of its disk until disposed; tells when that is more than it may. */
  readonly watchDisk?: (container: string, onOver: () => void) => AsyncDisposable | undefined;
  /** Milliseconds without a sign of the agent after which it ends by itself; undefined where it need not. */
  readonly lostAfterMs?: number | undefined;
}

/** What is known of a container that runs. */
interface Started {
  readonly kept: Kept;
  readonly pipes: Pipes;
  readonly supervisor: Supervisor;
  readonly group: GroupView;
  /** The step that another agent process began. */
  readonly step?: KeptStep | undefined;
}

type CommonSettings = Omit<ContainerSettings, 'spec' | 'deadlineSeconds'>;

/** Whether the agent may hand files over and signal processes of others. */
export const isRoot = () => process.getuid?.() === 0;

/** A container whose main process is our supervisor: it runs commands one after the other. */
export class SupervisedContainer implements AsyncDisposable {
  readonly id: string;
  /** The step that another agent process began, or whose end it did not tell. */
  readonly step: KeptStep | undefined;
  readonly #settings: CommonSettings;
  readonly #pipes: Pipes;
  readonly #host: CommandHost;
  readonly #counters: Counters;
  readonly #over = new AbortController();
  readonly #sign: Disposable;
  #running: Promise<StepExit> | undefined;
  /** Why no step can run any more. */
  #outOfMemory: RitmoError | undefined;

  private constructor(settings: CommonSettings, { kept, pipes, supervisor, group, step }: Started) {
    const { id, own } = kept.container;
    const { docker, clock } = settings;
    this.id = id;
    this.step = step;
    this.#settings = settings;
    this.#pipes = pipes;
    this.#sign = giveSign(settings);
    const counters = new Counters(group, settings.isDiskFull, step?.counters);
    this.#counters = counters;
    const ended = containerEnd(docker, id, this.#over.signal);
    ended.catch(() => undefined);
    const before = Array.from({ length: kept.generation }, (_, generation) => generation);
    this.#host = {
      supervisor,
      output: new Output((name, take) => pipes.openOutput(name, take)),
      processes: new ContainerProcesses(group, own, clock, isRoot() ? undefined : killInside(docker, id)),
      clock,
      ended,
      sampleLimits: () => counters.sample(),
      limitHit: () => counters.take(),
      counted: () => counters.taken,
      place: (text) => this.#place(text),
      takeAway: (file) => rm(join(settings.privateDir, basename(file)), { force: true }),
      keep: (begun) => kept.keep(begun),
      marks: (nonce, all) => (name) => ({
        last: kept.mark(nonce, name),
        before: all ? before.map((generation) => kept.mark(nonce, name, generation)) : [],
      }),
    };
  }

  /** Makes and starts it; leaves nothing when that fails. */
  static async start(settings: ContainerSettings, signal: AbortSignal): Promise<SupervisedContainer> {
    const { docker, folder, owner } = settings;
    const keptIn = keptFolder(folder);
    mkdirSync(keptIn, { mode: 0o700 });
    mkdirSync(folder, { mode: 0o711 });
    chmodSync(folder, 0o711);
    writeFileSync(join(folder, 'supervisor.sh'), supervisorScript, { mode: 0o644 });
    // Neither needs the other.
    const making = Pipes.make(folder, isRoot() ? owner : undefined);
    const creating = docker.createContainer(withSupervisor(settings), signal);
    const made = await Promise.allSettled([making, creating]);
    try {
      const [pipes, id] = await Promise.all([making, creating]);
      const supervisor = new Supervisor(pipes.control, pipes.status);
      signal.throwIfAborted();
      await startContainer(docker, id);
      const looking = lookAt(docker, id);
      looking.catch(() => undefined);
      // Why it has ended, where it has, says more than that it cannot be seen.
      const shell = await greeted(docker, id, supervisor, settings.clock, signal);
      pipes.moveTo(keptIn);
      const group = await looking;
      const own = ownProcesses(group.processes());
      return new SupervisedContainer(settings, {
        kept: Kept.begin(keptIn, { id, shell, own }),
        pipes,
        supervisor,
        group,
      });
    } catch (error) {
      const [pipes, id] = made;
      if (pipes.status === 'fulfilled') pipes.value[Symbol.dispose]();
      if (id.status === 'fulfilled') await docker.removeContainer(id.value);
      for (const each of [folder, keptIn]) await removeTree(each);
      throw error;
    }
  }

  /** Takes up one that another agent process has started; undefined where it does not run any more. */
  static async recover(settings: CommonSettings): Promise<SupervisedContainer | undefined> {
    const { docker, folder, privateDir } = settings;
    const kept = Kept.reopen(keptFolder(folder));
    if (kept === undefined) return undefined;
    const { id, shell, again } = kept.container;
    if ((await docker.inspectContainer(id))?.running !== true) return undefined;
    const group = await lookAt(docker, id);
    const { step } = kept;
    const stale = readdirSync(privateDir).filter(
      (name) => name.startsWith(stepPrefix) && name !== basename(step?.file ?? ''),
    );
    for (const name of stale) await rm(join(privateDir, name), { force: true });
    const pipes = Pipes.reopen(kept.folder);
    const supervisor = new Supervisor(pipes.control, pipes.status);
    supervisor.takeOver(shell, again, kept.generation, step?.end === undefined ? step?.nonce : undefined);
    return new SupervisedContainer(settings, { kept, pipes, supervisor, group, step });
  }

  get cpuMs(): number {
    return this.#counters.cpuMs;
  }

  get memoryPeakBytes(): number | undefined {
    return this.#counters.memoryPeakBytes;
  }

  /** `id` names the command to the agent after this one. */
  run(id: string, command: StepCommand, scope: StepScope): Promise<StepExit> {
    return this.#only(() => this.#watched(() => runCommand(this.#host, id, command, scope)));
  }

  /** Takes up the step that another agent process began. */
  attach(stepId: string, scope: StepScope): Promise<StepExit> {
    const { step } = this;
    if (step?.id !== stepId) throw new RitmoError('RITMO_INTERNAL', `The container does not run a step ${stepId}.`);
    return this.#only(() => this.#watched(() => attachCommand(this.#host, step, scope)));
  }

  /** Lets it run without us; a command that runs rejects with RITMO_SANDBOX_BROKEN. Nothing that was read is lost. */
  async letGo(): Promise<void> {
    this.#sign[Symbol.dispose]();
    await this.#host.output.letGo();
    this.#over.abort(new RitmoError('RITMO_SANDBOX_BROKEN', 'The sandbox was left to another agent.'));
    await Promise.allSettled([this.#running]);
    this.#pipes[Symbol.dispose]();
  }

  /** Ends everything in it; a command that runs rejects with RITMO_SANDBOX_BROKEN. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sign[Symbol.dispose]();
    this.#counters.sample();
    this.#over.abort(new RitmoError('RITMO_SANDBOX_BROKEN', 'The sandbox was disposed.'));
    await Promise.allSettled([this.#running]);
    this.#pipes[Symbol.dispose]();
    const { docker, folder } = this.#settings;
    await this.#end();
    await docker.removeContainer(this.id);
    for (const made of [folder, keptFolder(folder)]) await removeTree(made);
  }

  /**
   * Ends it from here where we may, which is quicker than by the daemon, and waits until the daemon has seen it. What does
   * not end so is ended by its removal.
   */
  async #end(): Promise<void> {
    if (!this.#host.processes.endContainer()) return;
    await this.#settings.docker.waitForExit(this.id, 'started', AbortSignal.timeout(endMs)).catch(() => undefined);
  }

  async #only(run: () => Promise<StepExit>): Promise<StepExit> {
    if (this.#outOfMemory !== undefined) return { status: 'not-started', error: this.#outOfMemory };
    if (this.#running !== undefined)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The container runs a command already.');
    this.#running = run();
    try {
      return await this.#running;
    } catch (error) {
      if (!(error instanceof RitmoError && error.code === 'RITMO_LIMIT_HIT')) throw error;
      this.#outOfMemory = error;
      return { status: 'signalled', signal: 'SIGKILL', limit: 'memory' };
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends what runs once it has taken more of the disk than it may. */
  async #watched(run: () => Promise<StepExit>): Promise<StepExit> {
    await using _ = this.#settings.watchDisk?.(this.id, () => {
      this.#counters.diskIsOver();
      this.#host.processes
        .end()
        .catch((error: unknown) => this.#settings.log.warn({ err: error }, 'a step over its disk did not end'));
    });
    return await run();
  }

  async #place(text: string): Promise<string> {
    const name = `${stepPrefix}${randomBytes(8).toString('hex')}`;
    const path = join(this.#settings.privateDir, name);
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    if (isRoot()) await chown(path, this.#settings.owner.uid, this.#settings.owner.gid);
    return `${insidePaths.privateDir}/${name}`;
  }
}

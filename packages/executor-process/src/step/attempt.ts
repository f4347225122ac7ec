import { chownSync, closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf, stepFile } from '@ritmo/host-linux';
import { isRoot } from '../job/user.js';
import type { JobView } from '../level/level.js';
import type { Command } from './command.js';
import { openPipes, type CommandPipes } from './pipes.js';
import type { CommandHost } from './run-command.js';
import { ReportText } from './report-text.js';
import { start, type Started } from './start.js';
import type { ProcessTree } from './tree.js';

/** What a command is confined with, beside what all commands of its job are. */
export type CommandShape = Pick<Command, 'readOnlyPaths' | 'toolFolder'>;

/** The shape of every step. */
export const stepShape: CommandShape = { readOnlyPaths: [] };

/**
 * The processes of one command. They can be made before it is known: the sandbox is ready then, and waits.
 */
export class Attempt implements AsyncDisposable {
  readonly started: Started;
  readonly tree: ProcessTree;
  readonly report: ReportText;
  readonly pipes: Pick<CommandPipes, 'stdout' | 'stderr'>;
  readonly #host: CommandHost;
  readonly #set: string;
  /** Where the step file is written, until it is. */
  #file: number | undefined;
  #over = false;

  private constructor(host: CommandHost, job: JobView, set: string, shape: CommandShape) {
    this.#host = host;
    this.#set = set;
    const spec = host.level.startSpec(job, shape);
    const file = newStepFile(job);
    const pipes = openPipes(set);
    try {
      this.started = start(spec, { ...pipes.writeEnds, stepFile: file.readEnd });
    } catch (error) {
      closeSync(file.writeEnd);
      throw error;
    } finally {
      closeSync(file.readEnd);
      pipes.closeWriteEnds();
    }
    this.#file = file.writeEnd;
    this.pipes = pipes;
    this.report = new ReportText(this.started.report);
    this.tree = host.level.tree(job, this.started, pipes.status);
    void this.started.ended.then(() => (this.#over = true));
  }

  /** Whether it still runs, as what was made ahead should. */
  get waits(): boolean {
    return !this.#over;
  }

  /** Makes what waits for a command of this shape. */
  static async ahead(host: CommandHost, job: JobView, shape: CommandShape): Promise<Attempt> {
    return new Attempt(host, job, await host.pipes.take(job.user), shape);
  }

  /**
   * What is told this command and waits to be released; one that was made ahead serves where it still waits. Rejects
   * with RITMO_STEP_NOT_STARTED for what no program can be given, and leaves nothing then.
   */
  static async begin(host: CommandHost, job: JobView, command: Command, ahead?: Attempt): Promise<Attempt> {
    if (ahead?.waits === false) await ahead[Symbol.asyncDispose]();
    const attempt = ahead?.waits === true ? ahead : new Attempt(host, job, await host.pipes.take(job.user), command);
    try {
      attempt.#tell(stepFile(command));
      return attempt;
    } catch (error) {
      await attempt[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Once nobody holds the pipes any more: they serve the next one. After a failure somebody may still hold them. */
  release(): void {
    this.#host.pipes.release(this.#set);
  }

  /** Ends what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closeFile();
    for (const stream of [this.pipes.stdout, this.pipes.stderr]) stream.destroy();
    this.tree.kill();
    await this.started.ended;
    await this.tree.clear();
    this.release();
  }

  #tell(text: string): void {
    try {
      if (this.#file !== undefined) writeFileSync(this.#file, text);
    } catch (error) {
      if (errnoOf(error) !== 'ENOSPC') throw error;
      throw new RitmoError('RITMO_DISK_FULL', 'The memory of the worker has no room for what the step is told.', {
        hint: 'Fewer or smaller secrets and variables, or fewer builds at once.',
        cause: error,
      });
    } finally {
      this.#closeFile();
    }
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A file in memory without a name: what is written to one end, the job's user alone can read at the other. */
function newStepFile(job: JobView): { readonly writeEnd: number; readonly readEnd: number } {
  const path = join(job.folders.memory, '.step');
  const writeEnd = openSync(path, 'wx', 0o400);
  try {
    if (isRoot()) chownSync(path, job.user.uid, job.user.gid);
    return { writeEnd, readEnd: openSync(path, 'r') };
  } catch (error) {
    closeSync(writeEnd);
    throw error;
  } finally {
    unlinkSync(path);
  }
}

import {
  type CollectedEntry,
  type CollectRequest,
  type FileEntry,
  refusedStep,
  type ResourceUsage,
  RitmoError,
  type Sandbox,
  type StepExit,
  type StepScope,
  type StepSpec,
  stepFolder,
} from '@ritmo/agent-core/executor';
import { ArchiveFiles, askedFor, Spool } from '@ritmo/host-linux';
import { insidePaths } from '../../supervisor/script.js';
import { RemoteFiles } from './files.js';
import type { RemoteContainer } from './remote-container.js';
import type { RemoteJob } from './remote-job.js';

/** A job whose container the daemon's API alone reaches, ready for its steps. */
export class RemoteSandbox implements Sandbox {
  readonly id: string;
  readonly workdir = insidePaths.workspace;
  readonly privateDir = insidePaths.privateDir;
  readonly description: string;
  readonly #job: RemoteJob;
  #spool: Spool | undefined;

  constructor(job: RemoteJob, description: string) {
    this.id = job.id;
    this.description = description;
    this.#job = job;
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    await this.#files().put(files, dest, signal);
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#files().remove(paths, signal);
  }

  async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    if (step.user !== undefined) {
      return refusedStep(`A container has one user; a step cannot be ${step.user}.`, 'Set USER in the image.');
    }
    let cwd: string;
    try {
      cwd = stepFolder(this.workdir, step);
    } catch (error) {
      return { status: 'not-started', error: RitmoError.from(error) };
    }
    return await this.#container().run({ argv: step.argv, cwd, env: step.env }, scope);
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    signal.throwIfAborted();
    const container = this.#container();
    await container.quiet();
    const names = askedFor(request.include);
    this.#spool ??= new Spool(this.#job.folders.spool);
    // An archive of the workspace itself begins with the name of its folder.
    const files = new ArchiveFiles(request, this.#spool, names[0] === '.' ? 1 : 0);
    const over = AbortSignal.any([signal, this.#job.signal]);
    for (const name of names) {
      const path = name === '.' ? this.workdir : `${this.workdir}/${name.slice(2)}`;
      const archive = await container.calls.getArchive(container.id, path, over);
      if (archive === undefined) continue;
      try {
        await files.read(archive);
      } catch (error) {
        over.throwIfAborted();
        throw error;
      }
    }
    for (const entry of files.entries()) {
      signal.throwIfAborted();
      yield entry;
    }
  }

  /** As the daemon counts. */
  async usage(signal: AbortSignal): Promise<ResourceUsage> {
    const { cpuMs, memoryPeakBytes } = await this.#container().stats(signal);
    return { cpuMs, ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }

  #container(): RemoteContainer {
    this.#job.assertUsable();
    return this.#job.container;
  }

  #files(): RemoteFiles {
    return new RemoteFiles(this.#container(), this.#job.user);
  }
}

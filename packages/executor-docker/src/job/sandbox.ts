import { posix } from 'node:path';
import type {
  CollectedEntry,
  CollectRequest,
  FileEntry,
  ResourceUsage,
  Sandbox,
  StepExit,
  StepScope,
  StepSpec,
} from '@ritmo/agent-core/executor';
import { collectFiles, removePaths, writeFiles } from '@ritmo/host-linux';
import { notStarted } from '../supervisor/step-file.js';
import { insidePaths } from '../supervisor/script.js';
import { type Job, locate } from './job.js';

/** A job that is ready for its steps. */
export class DockerSandbox implements Sandbox {
  readonly id: string;
  readonly workdir = insidePaths.workspace;
  readonly privateDir = insidePaths.privateDir;
  readonly description: string;
  readonly #job: Job;

  constructor(job: Job, description: string) {
    this.id = job.id;
    this.description = description;
    this.#job = job;
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    this.#job.assertUsable();
    const { root, rest } = locate(this.#job, dest);
    await writeFiles(root, rest, files, this.#job.owner, signal);
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    this.#job.assertUsable();
    for (const path of paths) {
      const { root, rest } = locate(this.#job, path);
      await removePaths(root, [rest], signal);
    }
  }

  async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    if (step.user !== undefined) {
      const error = notStarted(`A container has one user; a step cannot be ${step.user}.`, 'Set USER in the image.');
      return { status: 'not-started', error };
    }
    const cwd = posix.join(this.workdir, step.cwd ?? '.');
    if (step.cwd?.startsWith('/') === true || (cwd !== this.workdir && !cwd.startsWith(`${this.workdir}/`))) {
      const error = notStarted(`The folder ${step.cwd} is not in the workspace.`, 'Check `dir:` of the step.');
      return { status: 'not-started', error };
    }
    return await this.#job.container.run({ argv: step.argv, cwd: cwd.replace(/(.)\/$/, '$1'), env: step.env }, scope);
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    this.#job.assertUsable();
    await this.#job.takeBack();
    yield* collectFiles(this.#job.folders.workspace, request, signal);
  }

  /** As the container's cgroup counts, which nobody inside can change. */
  usage(): Promise<ResourceUsage> {
    const { cpuMs, memoryPeakBytes } = this.#job.container;
    return Promise.resolve({ cpuMs, ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }
}

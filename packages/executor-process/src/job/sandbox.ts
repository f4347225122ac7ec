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
import { notStarted } from '../step/command.js';
import { type Job, locate } from './job.js';

/** A job that is ready for its steps. */
export class ProcessSandbox implements Sandbox {
  readonly id: string;
  readonly workdir: string;
  readonly privateDir: string;
  readonly description: string;
  readonly #job: Job;

  constructor(job: Job, description: string) {
    this.id = job.id;
    this.workdir = job.inside.workspace;
    this.privateDir = job.inside.privateDir;
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
      return {
        status: 'not-started',
        error: notStarted(`A process sandbox has one user; a step cannot be ${step.user}.`),
      };
    }
    const cwd = posix.join(this.workdir, step.cwd ?? '.');
    if (step.cwd?.startsWith('/') === true || (cwd !== this.workdir && !cwd.startsWith(`${this.workdir}/`))) {
      const error = notStarted(`The folder ${step.cwd} is not in the workspace.`, 'Check `dir:` of the step.');
      return { status: 'not-started', error };
    }
    return await this.#job.run({ argv: step.argv, cwd, env: step.env, readOnlyPaths: [] }, scope);
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    this.#job.assertUsable();
    yield* collectFiles(this.#job.folders.workspace, request, signal);
  }

  async usage(signal: AbortSignal): Promise<ResourceUsage> {
    this.#job.assertUsable();
    return await this.#job.usage(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }
}

import { posix } from 'node:path';
import {
  type CollectedEntry,
  type CollectRequest,
  type FileEntry,
  type ResourceUsage,
  RitmoError,
  type Sandbox,
  type StepExit,
  type StepScope,
  type StepSpec,
} from '@ritmo/agent-core/executor';
import { collectFiles, removePaths, writeFiles } from '@ritmo/host-linux';
import { notStarted } from './command.js';
import { inside } from './confine.js';
import type { Home } from './home.js';

/** A job that is ready for its steps. */
export class RootfsSandbox implements Sandbox {
  readonly workdir = inside.workspace;
  readonly privateDir = inside.privateDir;
  readonly description: string;
  readonly #home: Home;

  constructor(home: Home, description: string) {
    this.#home = home;
    this.description = description;
  }

  get id(): string {
    return this.#home.settings.id;
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    const { root, rest } = this.#locate(dest);
    await writeFiles(root, rest, files, this.#home.settings.user, signal);
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    for (const path of paths) {
      const { root, rest } = this.#locate(path);
      await removePaths(root, [rest], signal);
    }
  }

  async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    const cwd = posix.join(this.workdir, step.cwd ?? '.');
    if (step.user !== undefined) return notStarted('A rootfs sandbox has one user.', 'Take `user:` out of the step.');
    if (posix.relative(this.workdir, cwd).startsWith('..'))
      return notStarted(`${step.cwd} is not in the workspace.`, 'Check `dir:` of the step.');
    return this.#home.runStep(step.argv, cwd, step.env, scope);
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    this.#home.assertUsable();
    yield* collectFiles(this.#home.folder('workspace'), request, signal);
  }

  async usage(): Promise<ResourceUsage> {
    this.#home.assertUsable();
    return { cpuMs: this.#home.cpuMs };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#home.remove();
  }

  /** Where a path inside lies on the host: the folder it is in, and the way from there. */
  #locate(path: string): { readonly root: string; readonly rest: string } {
    this.#home.assertUsable();
    const places = [
      [this.privateDir, this.#home.privateDir],
      [this.workdir, this.#home.folder('workspace')],
    ] as const;
    for (const [here, root] of places) {
      const rest = posix.relative(here, path);
      if (!rest.startsWith('..')) return { root, rest };
    }
    throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `${path} is neither in the workspace nor in the private folder.`);
  }
}

import {
  type CollectedEntry,
  type CollectRequest,
  type FileEntry,
  locateInside,
  RitmoError,
  type ResourceUsage,
  type Sandbox,
  type StepExit,
  type StepScope,
  type StepSpec,
  stepFolder,
} from '@ritmo/agent-core/executor';
import { collectFiles } from '../files/collect.js';
import { type Owner, removePaths, writeFiles } from '../files/write-tree.js';

/** Where workspace and private folder lie, by one account. */
export interface SandboxPlaces {
  readonly workspace: string;
  readonly privateDir: string;
}

/** A job whose folders lie on this host, as its sandbox needs it. */
export interface HostJob extends AsyncDisposable {
  readonly id: string;
  /** As its processes see them. */
  readonly inside: SandboxPlaces;
  /** On the host. */
  readonly folders: SandboxPlaces;
  /** Who files are handed to; nobody where the agent may not. */
  readonly owner: Owner | undefined;
  /** Throws RITMO_SANDBOX_BROKEN once it is disposed. */
  assertUsable(): void;
}

/** A step after its folder was settled. */
export interface SettledStep {
  readonly id: string;
  readonly argv: readonly [string, ...string[]];
  /** Absolute, inside. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A sandbox whose workspace and private folder are folders of this host: how files go in and out of it. */
export abstract class HostSandbox<Job extends HostJob> implements Sandbox {
  readonly id: string;
  readonly workdir: string;
  readonly privateDir: string;
  readonly description: string;
  protected readonly job: Job;

  constructor(job: Job, description: string) {
    this.id = job.id;
    this.workdir = job.inside.workspace;
    this.privateDir = job.inside.privateDir;
    this.description = description;
    this.job = job;
  }

  abstract usage(signal: AbortSignal): Promise<ResourceUsage>;
  protected abstract runStep(step: SettledStep, scope: StepScope): Promise<StepExit>;
  /** How a step ends that asks for a user: where a job has one user, it cannot have another. */
  protected abstract refuseUser(user: string): StepExit;

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    this.job.assertUsable();
    const { root, rest } = this.#locate(dest);
    await writeFiles(root, rest, files, this.job.owner, signal);
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    this.job.assertUsable();
    for (const path of paths) {
      const { root, rest } = this.#locate(path);
      await removePaths(root, [rest], signal);
    }
  }

  async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    if (step.user !== undefined) return this.refuseUser(step.user);
    let cwd: string;
    try {
      cwd = stepFolder(this.workdir, step);
    } catch (error) {
      return { status: 'not-started', error: RitmoError.from(error) };
    }
    return await this.runStep({ id: step.id, argv: step.argv, cwd, env: step.env }, scope);
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    this.job.assertUsable();
    await this.beforeCollect();
    yield* collectFiles(this.job.folders.workspace, request, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.job[Symbol.asyncDispose]();
  }

  /** Makes the workspace readable for the agent, where it is not. */
  protected beforeCollect(): Promise<void> {
    return Promise.resolve();
  }

  #locate(path: string): { readonly root: string; readonly rest: string } {
    const { inside, folders } = this.job;
    return locateInside(
      [
        { inside: inside.privateDir, host: folders.privateDir },
        { inside: inside.workspace, host: folders.workspace },
      ],
      path,
    );
  }
}

import {
  causeOf,
  refusedStep,
  RitmoError,
  type StepExit,
  type StepScope,
  toolFiles,
  type ToolSpec,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram, removeTree, writeFiles } from '@ritmo/host-linux';
import type { SharedPaths } from '../mounts/shared-paths.js';
import { type Job, newToolFolder } from './job.js';

/** The workspace of a job between `allocate` and `prepare`. */
export class JobVolume implements WorkspaceVolume {
  readonly job: Job;
  readonly hostPath: string;
  readonly workdir: string;
  readonly uid: number;
  readonly gid: number;
  readonly #shared: SharedPaths;

  constructor(job: Job, shared: SharedPaths) {
    this.job = job;
    this.hostPath = job.folders.workspace;
    this.workdir = job.inside.workspace;
    this.uid = job.user.uid;
    this.gid = job.user.gid;
    this.#shared = shared;
  }

  async runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    this.job.assertUsable();
    const [name, ...args] = tool.argv;
    const program = findProgram(name);
    if (program === undefined) {
      return refusedStep(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
    }
    const folder = newToolFolder(this.job);
    try {
      await writeFiles(folder, '', toolFiles(tool), this.job.owner, scope.signal);
      await using reachable = await this.#shared.reach(tool.readOnlyPaths ?? [], this.job.user);
      return await this.job.run(
        {
          argv: [program, ...args],
          env: { RITMO_TOOL_DIR: this.job.inside.tool(folder), ...tool.env },
          readOnlyPaths: reachable.paths,
          toolFolder: folder,
        },
        scope,
      );
    } catch (error) {
      if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED')
        return { status: 'not-started', error };
      if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
      throw error;
    } finally {
      await removeTree(folder);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}

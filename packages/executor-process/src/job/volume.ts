import {
  RitmoError,
  type StepExit,
  type StepScope,
  type ToolSpec,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram, removeTree, writeFiles } from '@ritmo/host-linux';
import { notStarted } from '../step/command.js';
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
      const error = notStarted(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
      return { status: 'not-started', error };
    }
    const folder = newToolFolder(this.job);
    try {
      await writeFiles(folder, '', filesOf(tool), this.job.owner, scope.signal);
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
      if (scope.signal.aborted)
        return { status: 'cancelled', reason: scope.signal.reason?.reason ?? 'user', forced: false };
      throw error;
    } finally {
      await removeTree(folder);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}

function filesOf(tool: ToolSpec) {
  return Object.entries(tool.files ?? {}).map(([path, { content, mode }]) => {
    const bytes = Buffer.from(content);
    return { kind: 'file' as const, path, mode, mtimeMs: 0, size: bytes.length, body: once(bytes) };
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  notStarted,
  RitmoError,
  type StepExit,
  type StepScope,
  toolFiles,
  type ToolSpec,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram, removeTree, runTool, stepFile, writeFiles } from '@ritmo/host-linux';
import { type Job, workdir } from './job.js';

const inside = { home: '/home/build', tmp: '/tmp', tool: '/run/ritmo/tool' };
const toolPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The workspace of a job between `allocate` and `prepare`: a folder of this host still. */
export class JobVolume implements WorkspaceVolume {
  readonly job: Job;
  readonly hostPath: string;
  readonly workdir = workdir;
  readonly uid: number;
  readonly gid: number;
  #tools = 0;

  constructor(job: Job) {
    this.job = job;
    this.hostPath = job.folders.workspace;
    this.uid = job.inside.uid;
    this.gid = job.inside.gid;
  }

  async runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    const { job } = this;
    job.assertUsable();
    const [name, ...args] = tool.argv;
    const program = findProgram(name, `${process.env['PATH'] ?? ''}:${toolPath}`);
    if (program === undefined) {
      const error = notStarted(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
      return { status: 'not-started', error };
    }
    const folder = join(job.folders.memory, `tool-${++this.#tools}`);
    const signal = AbortSignal.any([scope.signal, job.over]);
    try {
      stepFile({ argv: [program, ...args], cwd: workdir, env: tool.env });
      const shown = (tool.readOnlyPaths ?? []).map((path) => ({ source: path, target: path, writable: false }));
      for (const { source } of shown) if (!existsSync(source)) throw notStarted(`There is no ${source} on the worker.`);
      mkdirSync(folder, { mode: 0o700 });
      if (job.user !== undefined) chownSync(folder, job.user.uid, job.user.gid);
      await writeFiles(folder, '', toolFiles(tool), job.user, signal);
      await job.network?.closeHost();
      const { home, tmp, workspace, resolver } = job.folders;
      const running = runTool(
        {
          bubblewrap: job.host.machines.tools.bubblewrap,
          argv: [program, ...args],
          env: { PATH: toolPath, HOME: inside.home, TMPDIR: inside.tmp, RITMO_TOOL_DIR: inside.tool, ...tool.env },
          user: job.user,
          inside: job.inside,
          cwd: workdir,
          binds: [
            { source: workspace, target: workdir, writable: true },
            { source: home, target: inside.home, writable: true },
            { source: tmp, target: inside.tmp, writable: true },
            { source: folder, target: inside.tool, writable: false },
            ...(job.network === undefined ? [] : [{ source: resolver, target: '/etc/resolv.conf', writable: false }]),
            ...shown,
          ],
          enterNetwork: job.network?.enter(),
          mark: job.mark,
        },
        { ...scope, signal },
        job.host.clock,
      );
      return await job.during(running);
    } catch (error) {
      if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED')
        return { status: 'not-started', error };
      throw error;
    } finally {
      await removeTree(folder);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}

import { chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  refusedStep,
  RitmoError,
  type StepExit,
  type StepScope,
  toolFiles,
  type ToolSpec,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram, removeTree, runTool, stepFile, writeFiles } from '@ritmo/host-linux';
import { insidePaths } from '../../supervisor/script.js';
import type { RemoteJob } from './remote-job.js';

const inside = { home: '/home/build', tmp: '/tmp', tool: '/run/ritmo/tool' };
const toolPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The workspace of a job between `allocate` and `prepare`: a folder of this host, where its tools run in bubblewrap. */
export class RemoteVolume implements WorkspaceVolume {
  readonly hostPath: string;
  readonly workdir = insidePaths.workspace;
  readonly uid: number;
  readonly gid: number;
  readonly #job: RemoteJob;
  #tools = 0;

  constructor(job: RemoteJob) {
    this.#job = job;
    this.hostPath = job.folders.workspace;
    this.uid = job.user.uid;
    this.gid = job.user.gid;
  }

  async runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    const job = this.#job;
    job.assertUsable();
    const [name, ...args] = tool.argv;
    const program = findProgram(name, `${process.env['PATH'] ?? ''}:${toolPath}`);
    if (program === undefined) {
      return refusedStep(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
    }
    const shown = (tool.readOnlyPaths ?? []).map((path) => ({ source: path, target: path, writable: false }));
    const missing = shown.find(({ source }) => !existsSync(source));
    if (missing !== undefined) return refusedStep(`There is no ${missing.source} on the worker.`);
    const folder = join(job.folders.memory, `tool-${++this.#tools}`);
    const signal = AbortSignal.any([scope.signal, job.signal]);
    try {
      stepFile({ argv: [program, ...args], cwd: this.workdir, env: tool.env });
      mkdirSync(folder, { mode: 0o700 });
      if (job.toolUser !== undefined) chownSync(folder, job.toolUser.uid, job.toolUser.gid);
      await writeFiles(folder, '', toolFiles(tool), job.toolUser, signal);
      const { home, tmp, workspace } = job.folders;
      const running = runTool(
        {
          bubblewrap: job.bubblewrap,
          argv: [program, ...args],
          env: { PATH: toolPath, HOME: inside.home, TMPDIR: inside.tmp, RITMO_TOOL_DIR: inside.tool, ...tool.env },
          user: job.toolUser,
          inside: job.user,
          cwd: this.workdir,
          binds: [
            { source: workspace, target: this.workdir, writable: true },
            { source: home, target: inside.home, writable: true },
            { source: tmp, target: inside.tmp, writable: true },
            { source: folder, target: inside.tool, writable: false },
            ...(job.request.network === 'host' && existsSync('/etc/resolv.conf')
              ? [{ source: '/etc/resolv.conf', target: '/etc/resolv.conf', writable: false }]
              : []),
            ...shown,
          ],
          // Of the agent's host: nothing is entered, and nothing unshared.
          enterNetwork: job.request.network === 'host' ? [] : undefined,
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
    return this.#job[Symbol.asyncDispose]();
  }
}

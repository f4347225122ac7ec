import { join } from 'node:path';
import type { StepExit, StepScope, ToolSpec, WorkspaceVolume } from '@ritmo/agent-core/executor';
import { runOnWorkspace } from '@ritmo/host-linux';
import { type Job, workdir } from './job.js';

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
    await job.network?.closeHost();
    const place = {
      bubblewrap: job.host.machines.tools.bubblewrap,
      folders: job.folders,
      workdir,
      toolFolder: join(job.folders.memory, `tool-${++this.#tools}`),
      user: job.user,
      inside: job.inside,
      enterNetwork: job.network?.enter(),
      ...(job.network === undefined ? {} : { resolver: job.folders.resolver }),
      mark: job.mark,
      over: job.over,
      clock: job.host.clock,
      during: (work: Promise<StepExit>) => job.during(work),
    };
    return await runOnWorkspace(place, tool, scope);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StepExit, StepScope, ToolSpec, WorkspaceVolume } from '@ritmo/agent-core/executor';
import { runOnWorkspace } from '@ritmo/host-linux';
import { insidePaths } from '../../supervisor/script.js';
import type { RemoteJob } from './remote-job.js';

const resolver = '/etc/resolv.conf';

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
    const isHost = job.request.network === 'host';
    const place = {
      bubblewrap: job.bubblewrap,
      folders: job.folders,
      workdir: this.workdir,
      toolFolder: join(job.folders.memory, `tool-${++this.#tools}`),
      user: job.toolUser,
      inside: job.user,
      // Of the agent's host: nothing is entered, and nothing unshared.
      enterNetwork: isHost ? [] : undefined,
      ...(isHost && existsSync(resolver) ? { resolver } : {}),
      mark: job.mark,
      over: job.signal,
      clock: job.host.clock,
      during: (work: Promise<StepExit>) => job.during(work),
    };
    return await runOnWorkspace(place, tool, scope);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }
}

import { existsSync, mkdirSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  causeOf,
  refusedStep,
  type StepExit,
  type StepScope,
  toolFiles,
  type ToolSpec,
  type WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { findProgram, removeTree, writeFiles } from '@ritmo/host-linux';
import { insidePaths } from '../supervisor/script.js';
import type { SupervisedContainer } from './container.js';
import type { Job } from './job.js';
import { toolSpec, userFiles } from './spec.js';

interface ToolContainer {
  readonly container: SupervisedContainer;
  readonly readOnlyPaths: string;
}

/** The workspace of a job between `allocate` and `prepare`: tools of the host run in a container of their own. */
export class JobVolume implements WorkspaceVolume {
  readonly job: Job;
  readonly hostPath: string;
  readonly workdir = insidePaths.workspace;
  readonly uid: number;
  readonly gid: number;
  #tools: ToolContainer | undefined;
  #count = 0;

  constructor(job: Job) {
    this.job = job;
    this.hostPath = job.folders.workspace;
    this.uid = job.user.uid;
    this.gid = job.user.gid;
  }

  async runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    this.job.assertUsable();
    if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
    const [name, ...args] = tool.argv;
    const program = findProgram(name);
    if (program === undefined) {
      return refusedStep(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
    }
    const missing = (tool.readOnlyPaths ?? []).find((path) => !existsSync(path));
    if (missing !== undefined) return refusedStep(`There is no ${missing} on the worker.`);
    this.#count += 1;
    const folder = join(this.job.folders.tools, `tool-${this.#count}`);
    this.job.makeOwnFolder(folder);
    try {
      await writeFiles(folder, '', toolFiles(tool), this.job.owner, scope.signal);
      const container = await this.#container(tool.readOnlyPaths ?? [], scope.signal);
      const env = {
        RITMO_TOOL_DIR: `${insidePaths.privateDir}/tool-${this.#count}`,
        HOME: insidePaths.home,
        TMPDIR: '/tmp',
      };
      return await container.run(
        `tool-${this.#count}`,
        { argv: [program, ...args], cwd: insidePaths.workspace, env: { ...env, ...tool.env } },
        scope,
      );
    } catch (error) {
      if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: true };
      throw error;
    } finally {
      await removeTree(folder);
    }
  }

  /** No tool runs any more. */
  async closeTools(): Promise<void> {
    const tools = this.#tools;
    this.#tools = undefined;
    await tools?.container[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }

  /** One container serves all tools that see the same of the host. */
  async #container(readOnlyPaths: readonly string[], signal: AbortSignal): Promise<SupervisedContainer> {
    const key = JSON.stringify([...readOnlyPaths].toSorted());
    if (this.#tools?.readOnlyPaths === key) return this.#tools.container;
    await this.closeTools();
    const { job } = this;
    const { tools } = job.host;
    const etc = join(job.folders.memory, 'etc');
    mkdirSync(etc, { recursive: true, mode: 0o711 });
    for (const [name, text] of Object.entries(userFiles(job.user))) {
      await writeFile(join(etc, name), text);
      await chmod(join(etc, name), 0o644);
    }
    const spec = toolSpec({
      image: tools.image,
      request: job.request,
      labels: job.labels('tool'),
      folders: job.folders,
      place: await job.place(),
      binds: [
        ...tools.binds,
        ...['passwd', 'group'].map((name) => `${join(etc, name)}:/etc/${name}:ro`),
        ...readOnlyPaths.map((path) => `${path}:${path}:ro`),
      ],
    });
    const container = await job.supervised('tool', spec, job.folders.tools, signal);
    this.#tools = { container, readOnlyPaths: key };
    job.keep(container);
    return container;
  }
}

import { chownSync, existsSync, mkdirSync } from 'node:fs';
import {
  type Clock,
  notStarted,
  RitmoError,
  type StepExit,
  type StepScope,
  toolFiles,
  type ToolSpec,
} from '@ritmo/agent-core/executor';
import { removeTree } from '../files/remove-tree.js';
import { type Owner, writeFiles } from '../files/write-tree.js';
import { findProgram } from '../process/find-program.js';
import { stepFile } from '../process/step-file.js';
import type { ConfinedProgram } from './confined.js';
import { runTool } from './run-tool.js';

const inside = { home: '/home/build', tmp: '/tmp', tool: '/run/ritmo/tool' };
const toolPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A workspace that lies on this host while its steps will run elsewhere. */
export interface ToolPlace extends Pick<ConfinedProgram, 'bubblewrap' | 'enterNetwork' | 'mark' | 'inside'> {
  /** Folders of the job on this host, and where it sees the workspace. */
  readonly folders: { readonly workspace: string; readonly home: string; readonly tmp: string };
  readonly workdir: string;
  /** In memory, of one tool; it is made here, and removed. */
  readonly toolFolder: string;
  /** Who tools are on this host; the agent's user where absent. */
  readonly user: Owner | undefined;
  /** File that tools see as /etc/resolv.conf. */
  readonly resolver?: string;
  /** Aborted when the job is disposed. */
  readonly over: AbortSignal;
  readonly clock: Clock;
  /** Keeps the end of the job waiting for the work. */
  readonly during: (work: Promise<StepExit>) => Promise<StepExit>;
}

/** Runs a tool of this host, confined, on such a workspace; settles by the rules of `WorkspaceVolume.runTool`. */
export async function runOnWorkspace(place: ToolPlace, tool: ToolSpec, scope: StepScope): Promise<StepExit> {
  const { folders, workdir, toolFolder, user, resolver, over, clock, during, ...confinement } = place;
  const signal = AbortSignal.any([scope.signal, over]);
  try {
    const [name, ...args] = tool.argv;
    const program = findProgram(name, `${process.env['PATH'] ?? ''}:${toolPath}`);
    if (program === undefined) {
      throw notStarted(
        `There is no program ${name} in the search path of the agent.`,
        `Install ${name} on the worker.`,
      );
    }
    const shown = (tool.readOnlyPaths ?? []).map((path) => ({ source: path, target: path, writable: false }));
    for (const { source } of shown) if (!existsSync(source)) throw notStarted(`There is no ${source} on the worker.`);
    const argv = [program, ...args] as const;
    stepFile({ argv, cwd: workdir, env: tool.env });
    mkdirSync(toolFolder, { mode: 0o700 });
    if (user !== undefined) chownSync(toolFolder, user.uid, user.gid);
    await writeFiles(toolFolder, '', toolFiles(tool), user, signal);
    const running = runTool(
      {
        ...confinement,
        argv,
        env: { PATH: toolPath, HOME: inside.home, TMPDIR: inside.tmp, RITMO_TOOL_DIR: inside.tool, ...tool.env },
        user,
        cwd: workdir,
        binds: [
          { source: folders.workspace, target: workdir, writable: true },
          { source: folders.home, target: inside.home, writable: true },
          { source: folders.tmp, target: inside.tmp, writable: true },
          { source: toolFolder, target: inside.tool, writable: false },
          ...(resolver === undefined ? [] : [{ source: resolver, target: '/etc/resolv.conf', writable: false }]),
          ...shown,
        ],
      },
      { ...scope, signal },
      clock,
    );
    return await during(running);
  } catch (error) {
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') return { status: 'not-started', error };
    throw error;
  } finally {
    await removeTree(toolFolder);
  }
}

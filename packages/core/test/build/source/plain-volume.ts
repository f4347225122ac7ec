import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CancelCause } from '../../../src/executor/request.js';
import type { StepExit, StepScope, ToolSpec, WorkspaceVolume } from '../../../src/executor/sandbox.js';

export interface PlainVolume extends WorkspaceVolume {
  readonly root: string;
  readonly home: string;
  /** Every tool that was run. */
  readonly tools: ToolSpec[];
}

/** A workspace in a temporary folder, where tools run as plain child processes. `path` comes before the host's own. */
export async function plainVolume(path?: string): Promise<PlainVolume> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-source-'));
  const hostPath = join(root, 'workspace');
  const home = join(root, 'home');
  for (const folder of [hostPath, home, join(root, 'tmp')]) await mkdir(folder);
  const tools: ToolSpec[] = [];
  let count = 0;
  return {
    root,
    home,
    tools,
    hostPath,
    workdir: hostPath,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    async runTool(tool, scope) {
      tools.push(tool);
      const toolDir = join(root, `tool-${count++}`);
      await mkdir(toolDir, { mode: 0o700 });
      try {
        for (const [name, { content, mode }] of Object.entries(tool.files ?? {})) {
          await writeFile(join(toolDir, name), content, { mode });
        }
        const base = {
          PATH: path ?? process.env['PATH'] ?? '',
          HOME: home,
          TMPDIR: join(root, 'tmp'),
          RITMO_TOOL_DIR: toolDir,
        };
        return await run(tool, { ...base, ...tool.env }, hostPath, scope);
      } finally {
        await rm(toolDir, { recursive: true });
      }
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

function run(tool: ToolSpec, env: Record<string, string>, cwd: string, scope: StepScope): Promise<StepExit> {
  const [program, ...args] = tool.argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const stop = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    if (scope.signal.aborted) stop();
    scope.signal.addEventListener('abort', stop, { once: true });
    const pump = async (stream: 'stdout' | 'stderr') => {
      for await (const bytes of child[stream]) await scope.output.write(stream, bytes as Uint8Array);
    };
    const pumps = Promise.all([pump('stdout'), pump('stderr')]);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      scope.signal.removeEventListener('abort', stop);
      const exit = (): StepExit => {
        if (scope.signal.aborted) {
          return { status: 'cancelled', reason: (scope.signal.reason as CancelCause).reason, forced: true };
        }
        return code === null ? { status: 'signalled', signal: String(signal) } : { status: 'exited', code };
      };
      pumps.then(() => resolve(exit()), reject);
    });
  });
}

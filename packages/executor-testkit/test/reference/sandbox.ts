import { execFile } from 'node:child_process';
import { chmod, mkdir, open, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type {
  CollectRequest,
  FileEntry,
  Sandbox,
  StepExit,
  StepScope,
  StepSpec,
  ToolSpec,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { collectFiles } from './collect.js';
import { killMarked, marker } from './processes.js';
import { runProcess } from './run-process.js';
import { Tree } from './tree.js';

const run = promisify(execFile);

/** The folders of one sandbox, and what runs in them. */
export class ReferenceHome {
  readonly folder: string;
  readonly mark: string;
  /** CPU time of the steps that ended, in milliseconds. */
  cpuMs = 0;

  constructor(folder: string, mark: string) {
    this.folder = folder;
    this.mark = mark;
  }

  tree(pid: number): Tree {
    return new Tree(pid, this.mark);
  }

  path(name: 'work' | 'home' | 'tmp' | 'private' | 'tool'): string {
    return join(this.folder, name);
  }

  async make(): Promise<void> {
    for (const name of ['work', 'home', 'tmp', 'private'] as const) await mkdir(this.path(name), { recursive: true });
  }

  async run(argv: StepSpec['argv'], env: StepSpec['env'], cwd: string, scope: StepScope): Promise<StepExit> {
    const before = await childrenCpuMs();
    const defaults = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: this.path('home'), TMPDIR: this.path('tmp') };
    const all = { ...defaults, ...env, [marker]: this.mark };
    try {
      return await runProcess({ argv, cwd, env: all, tree: (pid) => this.tree(pid) }, scope);
    } finally {
      this.cpuMs += (await childrenCpuMs()) - before;
    }
  }

  async runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    const dir = this.path('tool');
    await mkdir(dir, { mode: 0o700 });
    try {
      for (const [name, { content, mode }] of Object.entries(tool.files ?? {})) {
        await writeFile(join(dir, name), content, { mode });
      }
      return await this.run(tool.argv, { ...tool.env, RITMO_TOOL_DIR: dir }, this.path('work'), scope);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  /** Ends everything, then removes everything; `rm` copes with paths longer than the system allows. */
  async remove(): Promise<void> {
    await killMarked(this.mark);
    await run('chmod', ['-R', 'u+rwX', this.folder]).catch(() => undefined);
    await run('rm', ['-rf', '--', this.folder]);
  }
}

/** CPU time of all children that this process has waited for, from /proc: Node does not tell. */
async function childrenCpuMs(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

export class ReferenceVolume implements WorkspaceVolume {
  readonly home: ReferenceHome;
  readonly uid = process.getuid?.() ?? 0;
  readonly gid = process.getgid?.() ?? 0;

  constructor(home: ReferenceHome) {
    this.home = home;
  }

  get hostPath(): string {
    return this.home.path('work');
  }

  get workdir(): string {
    return this.home.path('work');
  }

  runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    return this.home.runTool(tool, scope);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.home.remove();
  }
}

export class ReferenceSandbox implements Sandbox {
  readonly id: string;
  readonly home: ReferenceHome;
  readonly description = 'reference executor: nothing confines it';

  constructor(id: string, home: ReferenceHome) {
    this.id = id;
    this.home = home;
  }

  get workdir(): string {
    return this.home.path('work');
  }

  get privateDir(): string {
    return this.home.path('private');
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    for await (const file of files) {
      signal.throwIfAborted();
      const path = join(dest, file.path);
      await mkdir(dirname(path), { recursive: true });
      if (file.kind === 'link') {
        await symlink(file.target, path);
        continue;
      }
      await using handle = await open(path, 'w', file.mode);
      for await (const chunk of file.body) await handle.writeFile(chunk);
      await chmod(path, file.mode);
      await utimes(path, new Date(file.mtimeMs), new Date(file.mtimeMs));
    }
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) await rm(path, { recursive: true, force: true });
  }

  run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    return this.home.run(step.argv, step.env, join(this.workdir, step.cwd ?? '.'), scope);
  }

  collect(request: CollectRequest, signal: AbortSignal): ReturnType<typeof collectFiles> {
    return collectFiles(this.workdir, request, signal);
  }

  usage(): Promise<{ cpuMs: number }> {
    return Promise.resolve({ cpuMs: this.home.cpuMs });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.home.remove();
  }
}

import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Clock,
  RitmoError,
  type SandboxRecord,
  type StepExit,
  type StepScope,
  type ToolSpec,
} from '@ritmo/agent-core/executor';
import {
  findByEnvironment,
  isRunning,
  type MemoryFolder,
  openMemoryFolder,
  type Owner,
  removeTree,
  signalProcess,
  writeFiles,
} from '@ritmo/host-linux';
import { inside, markName } from './confine.js';
import { type Command, runCommand } from './command.js';

export interface HomeSettings {
  readonly id: string;
  /** All of the job's lies below it. */
  readonly root: string;
  /** In the environment of each process of the job: owner and sandbox. */
  readonly mark: string;
  readonly bubblewrap: string;
  readonly rootfs: string;
  readonly hostNetwork: boolean;
  /** Undefined: the agent's own. */
  readonly user: Owner | undefined;
  readonly clock: Clock;
}

const maxPrivateBytes = 64 * 1024 ** 2;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One job on this host: its folders and its processes, under the volume first, then under the sandbox. */
export class Home {
  readonly settings: HomeSettings;
  readonly #disposing = new AbortController();
  #memory: MemoryFolder | undefined;
  #running: Promise<unknown> | undefined;
  #removed: Promise<void> | undefined;
  #cpuMs = 0;
  #tools = 0;

  constructor(settings: HomeSettings) {
    this.settings = settings;
  }

  get cpuMs(): number {
    return this.#cpuMs;
  }

  get owner(): Owner {
    return this.settings.user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  }

  folder(name: 'workspace' | 'home' | 'tmp'): string {
    return join(this.settings.root, name);
  }

  get privateDir(): string {
    return join(this.#memory?.path ?? this.settings.root, 'private');
  }

  record(executor: string): SandboxRecord {
    const { id, root } = this.settings;
    return { sandboxId: id, executor, stateVersion: 1, state: { root } };
  }

  async make(): Promise<void> {
    const { root } = this.settings;
    mkdirSync(root, { mode: 0o711 });
    chmodSync(root, 0o711);
    this.#memory = await openMemoryFolder({ path: join(root, 'memory'), maxBytes: maxPrivateBytes });
    for (const folder of [this.folder('workspace'), this.folder('home'), this.folder('tmp'), this.privateDir]) {
      this.#makeOwn(folder);
    }
  }

  /** A step, in the root file system of the operator. */
  async runStep(argv: Command['argv'], cwd: string, env: Command['env'], scope: StepScope): Promise<StepExit> {
    return this.#run({ argv, cwd, env: { ...this.#basics, ...env }, root: 'rootfs', shown: [] }, scope);
  }

  /** A program of the host, such as git, confined in the same way. */
  async runTool({ argv, env, files = {}, readOnlyPaths = [] }: ToolSpec, scope: StepScope): Promise<StepExit> {
    this.assertUsable();
    const folder = join(this.privateDir, '..', `tool-${++this.#tools}`);
    this.#makeOwn(folder);
    try {
      const entries = Object.entries(files).map(([path, { content, mode }]) => fileOf(path, content, mode));
      await writeFiles(folder, '', entries, this.settings.user, scope.signal);
      const shown = [[folder, inside.tool] as const, ...readOnlyPaths.map((path) => [path, path] as const)];
      const variables = { ...this.#basics, ...env, RITMO_TOOL_DIR: inside.tool };
      return await this.#run({ argv, cwd: inside.workspace, env: variables, root: 'host', shown }, scope);
    } finally {
      await removeTree(folder);
    }
  }

  assertUsable(): void {
    if (this.#removed === undefined) return;
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.settings.id} is disposed.`);
  }

  /** Ends everything and removes everything. Safe twice, at any moment, and for what another process has left. */
  remove(): Promise<void> {
    this.#removed ??= this.#remove().catch((error: unknown) => {
      // Another try must be possible.
      this.#removed = undefined;
      throw RitmoError.from(error, 'RITMO_CLEANUP_FAILED');
    });
    return this.#removed;
  }

  get #basics(): Record<string, string> {
    return { PATH: defaultPath, HOME: inside.home, TMPDIR: inside.tmp };
  }

  async #run(command: Command, scope: StepScope): Promise<StepExit> {
    this.assertUsable();
    const signal = AbortSignal.any([scope.signal, this.#disposing.signal]);
    const running = runCommand(this, command, { ...scope, signal });
    this.#running = running;
    const { exit, cpuMs } = await running;
    this.#cpuMs += cpuMs;
    if (this.#disposing.signal.aborted && !scope.signal.aborted)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.settings.id} was disposed while a command ran.`);
    return exit;
  }

  async #remove(): Promise<void> {
    this.#disposing.abort({ reason: 'agent-stopping', graceMs: 0 });
    await Promise.allSettled([this.#running]);
    const { mark, root, clock } = this.settings;
    for (;;) {
      const left = findByEnvironment(`${markName}=${mark}`).filter(isRunning);
      if (left.length === 0) break;
      for (const process of left) signalProcess(process, 'SIGKILL');
      await clock.sleep(5);
    }
    // Opened again where another process has made it: what it mounted is taken over.
    const memory = this.#memory ?? (await openMemoryFolder({ path: join(root, 'memory'), maxBytes: maxPrivateBytes }));
    await memory[Symbol.asyncDispose]();
    await removeTree(root);
  }

  #makeOwn(folder: string): void {
    mkdirSync(folder, { mode: 0o700 });
    const { user } = this.settings;
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
  }
}

function fileOf(path: string, content: string, mode: number) {
  const bytes = Buffer.from(content);
  const body = (async function* () {
    yield bytes;
  })();
  return { kind: 'file' as const, path, mode, mtimeMs: Date.now(), size: bytes.length, body };
}

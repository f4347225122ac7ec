import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Executor,
  ExecutorBinding,
  ExecutorHost,
  Logger,
  Sandbox,
  SandboxRecord,
  SandboxRequest,
  StepExit,
  StepScope,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';

const nothing = () => undefined;
const log: Logger = { child: () => log, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** A host as the agent lends it. */
export function hostIn(stateDir: string, ownerId: string): ExecutorHost {
  return {
    ownerId,
    stateDir,
    log,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
    },
  };
}

export interface Ran {
  readonly exit: StepExit;
  readonly stdout: string;
  readonly stderr: string;
}

/** One open executor in a folder of its own, and sandboxes of it. Disposing removes all. */
export class Workbench implements AsyncDisposable {
  readonly root: string;
  readonly stateDir: string;
  readonly host: ExecutorHost;
  readonly executor: Executor;
  #count = 0;

  private constructor(root: string, host: ExecutorHost, executor: Executor) {
    this.root = root;
    this.stateDir = host.stateDir;
    this.host = host;
    this.executor = executor;
  }

  static async open(binding: ExecutorBinding): Promise<Workbench> {
    const root = mkdtempSync(join(tmpdir(), `ritmo-${binding.name}-`));
    chmodSync(root, 0o711);
    const host = hostIn(root, `test-${root.slice(-6)}`);
    try {
      return new Workbench(root, host, await binding.open(host));
    } catch (error) {
      rmSync(root, { recursive: true, force: true });
      throw error;
    }
  }

  request(over: Partial<SandboxRequest> = {}): SandboxRequest {
    this.#count += 1;
    return {
      jobId: 'job',
      epoch: 1,
      sandboxId: `sandbox-${this.#count}`,
      slot: this.#count,
      services: [],
      network: this.executor.capabilities.defaultNetwork,
      limits: {},
      profile: 'standard',
      deadlineMs: 600_000,
      onLost: 'fail',
      ...over,
    };
  }

  async volume(over: Partial<SandboxRequest> = {}): Promise<{ volume: WorkspaceVolume; request: SandboxRequest }> {
    const request = this.request(over);
    return { volume: await this.executor.allocate(request, scope()), request };
  }

  async sandbox(over: Partial<SandboxRequest> = {}): Promise<Sandbox & { hostPath: string; uid: number }> {
    const { volume, request } = await this.volume(over);
    const sandbox = await this.executor.prepare(request, volume, scope());
    return Object.assign(sandbox, { hostPath: volume.hostPath, uid: volume.uid });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor[Symbol.asyncDispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function scope(records: SandboxRecord[] = []) {
  return {
    signal: new AbortController().signal,
    progress: nothing,
    record: (record: SandboxRecord) => {
      records.push(record);
      return Promise.resolve();
    },
  };
}

/** Collects output; `seen` resolves once a text was printed. */
export function outputScope(over: Partial<StepScope> = {}) {
  const printed = { stdout: '', stderr: '' };
  let look: () => void = nothing;
  const stepScope: StepScope = {
    signal: new AbortController().signal,
    stop: { signal: 'SIGTERM', graceMs: 5_000 },
    output: {
      write: (stream, bytes) => {
        printed[stream] += Buffer.from(bytes).toString();
        look();
      },
    },
    ...over,
  };
  const seen = (text: string) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (printed.stdout.includes(text)) resolve();
      };
      look();
    });
  return { printed, stepScope, seen };
}

/** Runs a script of the POSIX shell; `args` are $1 and so on. */
export async function sh(
  sandbox: Sandbox,
  script: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Ran> {
  const { printed, stepScope } = outputScope();
  const exit = await sandbox.run({ id: 'step', argv: ['/bin/sh', '-c', script, 'sh', ...args], env }, stepScope);
  return { exit, ...printed };
}

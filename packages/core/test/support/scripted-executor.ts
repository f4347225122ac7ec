import { setTimeout as delay } from 'node:timers/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CancelCause,
  type CollectedEntry,
  type Executor,
  type ExecutorBinding,
  type ExecutorCapabilities,
  type FileEntry,
  RitmoError,
  type Sandbox,
  type SandboxRequest,
  type StepExit,
  type StepScope,
  type StepSpec,
  type WorkspaceVolume,
} from '../../src/executor.js';

/**
 * An executor whose steps do what their script says, a line each: `print TEXT`, `env NAME`, `read PATH-VARIABLE`,
 * `exit N`, `signal NAME`, `hang`, `stubborn` (outlives the stop signal), `break` (the sandbox breaks), `leave N`
 * (stragglers), `not-started`. It has no processes; what it was asked for can be looked at.
 */
export interface ScriptedExecutor {
  readonly binding: ExecutorBinding;
  readonly requests: SandboxRequest[];
  /** Files by inside path, of every sandbox. */
  readonly files: Map<string, { readonly content: string; readonly mode: number }>;
  /** Sandboxes and volumes that are not disposed. */
  readonly open: Set<string>;
  /** Settled before `prepare` goes on. */
  gate: Promise<void>;
  /** What its next probes answer. */
  health: 'healthy' | 'unavailable';
  /** Errors of the next `prepare`s, first the first. */
  readonly failures: RitmoError[];
  readonly log: string[];
}

export interface ScriptedOptions {
  readonly name?: string;
  readonly capabilities?: Partial<ExecutorCapabilities>;
  readonly artifacts?: readonly CollectedEntry[];
  readonly health?: 'healthy' | 'unavailable';
  /** What its sandboxes answer when they are asked what they used. */
  readonly usage?: Sandbox['usage'];
  /** Whether it can open sandboxes of an agent that died, with the same artifacts in them. */
  readonly reopens?: boolean;
}

export function scriptedExecutor(options: ScriptedOptions = {}): ScriptedExecutor {
  const name = options.name ?? 'scripted';
  const self: ScriptedExecutor = {
    requests: [],
    files: new Map(),
    open: new Set(),
    gate: Promise.resolve(),
    health: options.health ?? 'healthy',
    failures: [],
    log: [],
    binding: { name, open: async () => executor },
  };
  const executor: Executor = {
    name,
    capabilities: {
      isolation: 'none',
      defaultNetwork: 'none',
      images: false,
      services: false,
      network: ['none', 'host'],
      limits: [],
      os: ['linux'],
      arch: ['x64'],
      separateStderr: true,
      recover: false,
      ...options.capabilities,
    },
    async probe() {
      return { health: self.health, detail: 'It does as it is told.', facts: {} };
    },
    async allocate(request) {
      self.requests.push(request);
      self.open.add(`volume ${request.sandboxId}`);
      const hostPath = await mkdtemp(join(tmpdir(), 'ritmo-scripted-'));
      return {
        hostPath,
        workdir: '/workspace',
        uid: 1,
        gid: 1,
        runTool: () => Promise.resolve({ status: 'exited', code: 0 }),
        async [Symbol.asyncDispose]() {
          self.open.delete(`volume ${request.sandboxId}`);
          await rm(hostPath, { recursive: true, force: true });
        },
      };
    },
    async prepare(request, volume, scope) {
      await scope.record({ sandboxId: request.sandboxId, executor: name, stateVersion: 1, state: {} });
      await Promise.race([self.gate, aborted(scope.signal)]);
      const failure = self.failures.shift();
      if (failure) throw failure;
      self.open.add(`sandbox ${request.sandboxId}`);
      return scriptedSandbox(self, request, volume, options);
    },
    async sweep(keep) {
      self.log.push(`sweep but ${[...keep].join(' ')}`);
      return { removed: [], failed: [] };
    },
    ...(options.reopens === true && {
      async reopen({ sandboxId: id }) {
        self.open.add(`ended ${id}`);
        return {
          id,
          async *collect() {
            yield* options.artifacts ?? [];
          },
          async [Symbol.asyncDispose]() {
            self.open.delete(`ended ${id}`);
          },
        };
      },
    }),
    async [Symbol.asyncDispose]() {
      self.log.push('executor closed');
    },
  };
  return self;
}

function scriptedSandbox(
  self: ScriptedExecutor,
  request: SandboxRequest,
  volume: WorkspaceVolume,
  options: ScriptedOptions,
): Sandbox {
  return {
    id: request.sandboxId,
    workdir: volume.workdir,
    privateDir: '/private',
    description: 'scripted sandbox',
    async put(files, dest) {
      for await (const file of files)
        self.files.set(`${dest}/${file.path}`, { content: await text(file), mode: file.mode });
    },
    async remove(paths) {
      for (const path of paths) {
        for (const file of self.files.keys()) if (file === path || file.startsWith(`${path}/`)) self.files.delete(file);
      }
    },
    run: (step, scope) => runScript(self, step, scope),
    async *collect() {
      yield* options.artifacts ?? [];
    },
    usage: options.usage ?? (() => Promise.resolve({ cpuMs: 12 })),
    async [Symbol.asyncDispose]() {
      self.open.delete(`sandbox ${request.sandboxId}`);
      await volume[Symbol.asyncDispose]();
    },
  };
}

async function runScript(self: ScriptedExecutor, step: StepSpec, scope: StepScope): Promise<StepExit> {
  const script = self.files.get(step.argv.at(-1) ?? '')?.content ?? '';
  let stragglers = 0;
  for (const line of script.split('\n')) {
    const [verb, ...rest] = line.trim().split(' ');
    const argument = rest.join(' ');
    if (scope.signal.aborted) return cancelled(scope, false);
    switch (verb) {
      case undefined:
        break;
      case 'print':
        await scope.output.write('stdout', Buffer.from(`${argument}\n`));
        break;
      case 'env':
        await scope.output.write('stdout', Buffer.from(`${argument}=${step.env[argument] ?? '(unset)'}\n`));
        break;
      case 'read':
        self.log.push(`${argument}: ${self.files.get(step.env[argument] ?? '')?.content ?? '(missing)'}`);
        break;
      case 'exit':
        return { status: 'exited', code: Number(argument), ...(stragglers > 0 && { stragglers }) };
      case 'signal':
        return { status: 'signalled', signal: argument };
      case 'leave':
        stragglers = Number(argument);
        break;
      case 'break':
        throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The sandbox fell over.');
      case 'not-started':
        return { status: 'not-started', error: new RitmoError('RITMO_STEP_NOT_STARTED', 'there is no bash') };
      case 'hang':
        await aborted(scope.signal).catch(() => {});
        return cancelled(scope, false);
      case 'stubborn':
        await aborted(scope.signal).catch(() => {});
        await delay((scope.signal.reason as CancelCause).graceMs ?? scope.stop.graceMs);
        return cancelled(scope, true);
    }
  }
  return { status: 'exited', code: 0, ...(stragglers > 0 && { stragglers }) };
}

function cancelled(scope: StepScope, forced: boolean): StepExit {
  return { status: 'cancelled', reason: (scope.signal.reason as CancelCause).reason, forced };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

async function text(file: FileEntry): Promise<string> {
  if (file.kind === 'link') return '';
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

import { readFile } from 'node:fs/promises';
import type {
  ExecutorHost,
  LimitHit,
  PrepareScope,
  ResourceLimits,
  SandboxRequest,
  StepExit,
  StepScope,
  StepSpec,
} from '@ritmo/agent-core/executor';
import { ReferenceExecutor } from './executor.js';
import { killMarked, type MarkedProcess, marked } from './processes.js';
import { type ReferenceHome, ReferenceSandbox, type ReferenceVolume } from './sandbox.js';

const lookMs = 10;
const pageBytes = 4096;

/** The reference executor with limits of memory and processes: it looks at both every few milliseconds. */
export class LimitedExecutor extends ReferenceExecutor {
  readonly #limits = new Map<string, ResourceLimits>();

  constructor(host: ExecutorHost, root: string) {
    super(host, root);
    this.capabilities = { ...this.capabilities, limits: ['memory', 'pids'] };
  }

  override async allocate(request: SandboxRequest, scope: PrepareScope): Promise<ReferenceVolume> {
    this.#limits.set(request.sandboxId, request.limits);
    return super.allocate(request, scope);
  }

  override sandboxOf(id: string, home: ReferenceHome): LimitedSandbox {
    return new LimitedSandbox(id, home, this.#limits.get(id) ?? {}, this.overstepped);
  }

  override refuse(request: SandboxRequest): void {
    const { memoryBytes: _memory, pids: _pids, ...others } = request.limits;
    super.refuse({ ...request, limits: others });
  }

  /** Which limit some processes are over, if any. */
  overstepped = async (living: readonly MarkedProcess[], limits: ResourceLimits): Promise<LimitHit | undefined> => {
    if (limits.pids !== undefined && living.length > limits.pids) return 'pids';
    const sizes = await Promise.all(living.map(({ pid }) => memoryOf(pid)));
    const sum = sizes.reduce((before, size) => before + size, 0);
    return limits.memoryBytes !== undefined && sum > limits.memoryBytes ? 'memory' : undefined;
  };
}

export class LimitedSandbox extends ReferenceSandbox {
  readonly #limits: ResourceLimits;
  readonly #overstepped: LimitedExecutor['overstepped'];

  constructor(id: string, home: ReferenceHome, limits: ResourceLimits, overstepped: LimitedExecutor['overstepped']) {
    super(id, home);
    this.#limits = limits;
    this.#overstepped = overstepped;
  }

  override async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    const exit = await super.run(step, scope).finally(() => over.abort());
    const hit = await watching;
    if (hit === undefined || (exit.status !== 'exited' && exit.status !== 'signalled')) return exit;
    return { ...exit, limit: hit };
  }

  async #watch(over: AbortSignal): Promise<LimitHit | undefined> {
    while (!over.aborted) {
      const hit = await this.#overstepped(await marked(this.home.mark), this.#limits);
      if (hit !== undefined) {
        await killMarked(this.home.mark);
        return hit;
      }
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    return undefined;
  }
}

/** Resident memory of one process, in bytes; 0 where it has ended. */
export async function memoryOf(pid: number): Promise<number> {
  const pages = (await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '')).split(' ')[1];
  return Number(pages ?? 0) * pageBytes;
}

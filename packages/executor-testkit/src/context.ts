import { randomUUID } from 'node:crypto';
import type {
  Executor,
  ExecutorHost,
  PrepareScope,
  Sandbox,
  SandboxRecord,
  SandboxRequest,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { makeHost } from './host.js';
import type { ConformanceSubject } from './subject.js';
import { TestSandbox } from './test-sandbox.js';
import { within } from '@ritmo/conformance';

/** An executor, and what it was lent. */
export interface OpenedExecutor {
  /** As the subject opened it. */
  readonly executor: Executor;
  /** Its owner and its state folder. */
  readonly host: ExecutorHost;
}

/** What a case works with. Everything made through it is disposed when the case ends, the newest first. */
export class CaseContext implements AsyncDisposable {
  /** What is checked. */
  readonly subject: ConformanceSubject;
  /** The executor of this case. */
  readonly executor: Executor;
  /** What it was lent. */
  readonly host: ExecutorHost;
  readonly #ledger: Ledger;
  #slots = 0;

  private constructor(subject: ConformanceSubject, opened: OpenedExecutor, ledger: Ledger) {
    this.subject = subject;
    this.executor = opened.executor;
    this.host = opened.host;
    this.#ledger = ledger;
  }

  /** A context with an executor of its own. */
  static async open(subject: ConformanceSubject): Promise<CaseContext> {
    const ledger = new Ledger();
    try {
      return new CaseContext(subject, await ledger.openExecutor(subject), ledger);
    } catch (error) {
      await ledger.release();
      await ledger.removeFolders();
      throw error;
    }
  }

  /** A bound of time under the subject's scale. */
  ms = (ms: number): number => ms * (this.subject.timeScale ?? 1);

  /** Bounds what an executor may take for ever for. */
  within = <T>(what: string, ms: number, promise: Promise<T>): Promise<T> => within(what, this.ms(ms), promise);

  /** Another executor: of another owner, or of the same one, as after a restart of the agent. */
  openExecutor(host?: ExecutorHost): Promise<OpenedExecutor> {
    return this.#ledger.openExecutor(this.subject, host);
  }

  /** A request that the executor must accept, but for what is laid over it. */
  request(over: Partial<SandboxRequest> = {}, executor: Executor = this.executor): SandboxRequest {
    const sandboxId = `kit-${randomUUID()}`;
    const { image } = this.subject;
    return {
      jobId: `job-${sandboxId}`,
      epoch: 1,
      sandboxId,
      slot: this.#slots++,
      services: [],
      network: executor.capabilities.defaultNetwork,
      limits: {},
      profile: 'standard',
      deadlineMs: 600_000,
      onLost: 'fail',
      ...(executor.capabilities.images && image !== undefined
        ? { image: { reference: image, pull: ['if-not-present' as const] } }
        : {}),
      ...this.subject.request,
      ...over,
    };
  }

  /** A scope that keeps the records it is handed. */
  scope(over: Partial<PrepareScope> = {}): PrepareScope & { readonly records: SandboxRecord[] } {
    const records: SandboxRecord[] = [];
    return {
      records,
      signal: new AbortController().signal,
      progress: () => undefined,
      record: (record) => {
        records.push(record);
        return Promise.resolve();
      },
      ...over,
    };
  }

  /** A volume that is given back when the case ends. */
  async allocate(request = this.request(), scope = this.scope(), executor = this.executor): Promise<WorkspaceVolume> {
    return this.owned(await this.within('allocate', 60_000, executor.allocate(request, scope)));
  }

  /** A sandbox that is disposed when the case ends. */
  async prepare(
    request: SandboxRequest,
    volume: WorkspaceVolume,
    scope: PrepareScope = this.scope(),
    executor: Executor = this.executor,
  ): Promise<Sandbox> {
    return this.owned(await this.within('prepare', 60_000, executor.prepare(request, volume, scope)));
  }

  /** A ready sandbox; `fill` sees the volume between allocate and prepare. */
  async sandbox(
    over: Partial<SandboxRequest> = {},
    fill: (volume: WorkspaceVolume) => Promise<void> = () => Promise.resolve(),
    executor: Executor = this.executor,
  ): Promise<TestSandbox> {
    const request = this.request(over, executor);
    const scope = this.scope();
    const volume = await this.allocate(request, scope, executor);
    await fill(volume);
    const sandbox = await this.prepare(request, volume, scope, executor);
    const shell = this.subject.shell ?? '/bin/sh';
    return new TestSandbox({ sandbox, volume, request, records: scope.records, shell, ms: this.ms });
  }

  /** Takes what is given into the case's cleanup. */
  owned<T extends AsyncDisposable>(resource: T): T {
    this.#ledger.resources.push(() => this.within('dispose', 30_000, Promise.resolve(resource[Symbol.asyncDispose]())));
    return resource;
  }

  /** What the witness sees of the owner now. */
  async residue(ownerId = this.host.ownerId): Promise<readonly string[]> {
    const stateDir = this.#ledger.owners.get(ownerId) ?? this.host.stateDir;
    return (await this.within('residue', 30_000, this.subject.residue(ownerId, stateDir))).toSorted();
  }

  /** What the witness sees now that it did not see then: what a step has left behind while its sandbox lives. */
  async residueSince(before: readonly string[]): Promise<readonly string[]> {
    return (await this.residue()).filter((thing) => !before.includes(thing));
  }

  /** Disposes all that the case made, then asks the witness; rejects with all that went wrong. */
  async [Symbol.asyncDispose](): Promise<void> {
    const problems = await this.#ledger.release();
    for (const owner of this.#ledger.owners.keys()) {
      const left = await this.residue(owner).catch((error: unknown) => [`(the witness failed: ${String(error)})`]);
      if (left.length > 0) problems.push(`left behind: ${left.join(', ')}`);
    }
    problems.push(...(await this.#ledger.removeFolders()));
    if (problems.length > 0) throw new Error(problems.join('; '));
  }
}

/** What is undone at the end of a case: resources first, then the witness is asked, then the folders go. */
class Ledger {
  readonly resources: Array<() => Promise<void>> = [];
  /** Each owner's state folder. */
  readonly owners = new Map<string, string>();
  readonly #hosts: AsyncDisposable[] = [];

  async openExecutor(subject: ConformanceSubject, given?: ExecutorHost): Promise<OpenedExecutor> {
    let host = given;
    if (host === undefined) {
      const made = await makeHost(`kit-${randomUUID()}`);
      this.#hosts.push(made);
      host = made.host;
    }
    this.owners.set(host.ownerId, host.stateDir);
    const ms = 60_000 * (subject.timeScale ?? 1);
    const executor = await within('open', ms, subject.open(host));
    this.resources.push(() => within('dispose of the executor', ms, Promise.resolve(executor[Symbol.asyncDispose]())));
    return { executor, host };
  }

  /** The newest first; none stops the next. Returns what went wrong. */
  async release(): Promise<string[]> {
    const problems: string[] = [];
    for (const undo of this.resources.splice(0).toReversed()) {
      await undo().catch((error: unknown) => problems.push(`cleaning up failed: ${String(error)}`));
    }
    return problems;
  }

  async removeFolders(): Promise<string[]> {
    const problems: string[] = [];
    for (const host of this.#hosts.splice(0)) {
      await Promise.resolve(host[Symbol.asyncDispose]()).catch((error: unknown) => problems.push(String(error)));
    }
    return problems;
  }
}

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  CancelCause,
  Executor,
  ExecutorHost,
  Logger,
  PrepareScope,
  Sandbox,
  SandboxRecord,
  SandboxRequest,
  StepExit,
  StepScope,
} from '@ritmo/agent-core/executor';
import { unmountBelow } from '@ritmo/host-linux';
import { type DockerExecutorOptions, dockerExecutor } from '../../src/index.js';
import { busyboxImage } from './images.js';
import { Witness } from './witness.js';

const silent: Logger = {
  child: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** An executor with a state folder of its own. Disposing it asserts that nothing of it is left. */
export class Worker implements AsyncDisposable {
  readonly host: ExecutorHost;
  readonly notes: string[] = [];
  readonly #options: DockerExecutorOptions;
  #executor: Executor;
  #slots = 0;

  private constructor(host: ExecutorHost, options: DockerExecutorOptions, executor: Executor) {
    this.host = host;
    this.#options = options;
    this.#executor = executor;
  }

  get executor(): Executor {
    return this.#executor;
  }

  /** Closes the executor and opens another, as when the agent is started anew. */
  async reopen(): Promise<Executor> {
    await this.#executor[Symbol.asyncDispose]();
    this.#executor = await dockerExecutor(this.#options).open(this.host);
    return this.#executor;
  }

  /** Takes up what was left by the executor before. */
  async recover(record: SandboxRecord): Promise<{ readonly box: Box; readonly runningStep: string | undefined }> {
    const recovered = await this.#executor.recover?.(record, this.scope());
    if (recovered?.outcome !== 'adopted') throw new Error('the sandbox is gone');
    return { box: new Box(recovered.sandbox, [record]), runningStep: recovered.runningStep };
  }

  static async open(options: DockerExecutorOptions = {}): Promise<Worker> {
    const root = await mkdtemp(join(tmpdir(), 'ritmo-docker-test-'));
    await chmod(root, 0o711);
    const stateDir = join(root, 'state');
    await mkdir(stateDir);
    await chmod(stateDir, 0o711);
    const clock = {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms: number, signal?: AbortSignal) => {
        try {
          await sleep(ms, undefined, signal === undefined ? {} : { signal });
        } catch (error) {
          throw signal?.aborted === true ? signal.reason : error;
        }
      },
    };
    const host = { ownerId: `test-${randomUUID()}`, stateDir, log: silent, clock };
    return new Worker(host, options, await dockerExecutor(options).open(host));
  }

  request(over: Partial<SandboxRequest> = {}): SandboxRequest {
    const sandboxId = randomUUID();
    return {
      jobId: `job-${sandboxId}`,
      epoch: 1,
      sandboxId,
      slot: this.#slots++,
      services: [],
      network: this.executor.capabilities.defaultNetwork,
      limits: {},
      profile: 'standard',
      deadlineMs: 600_000,
      onLost: 'fail',
      image: { reference: busyboxImage, pull: ['never'] },
      ...over,
    };
  }

  scope(signal: AbortSignal = new AbortController().signal, records: SandboxRecord[] = []): PrepareScope {
    const record = (made: SandboxRecord) => Promise.resolve(void records.push(made));
    return { signal, progress: (note) => void this.notes.push(note), record };
  }

  async box(over: Partial<SandboxRequest> = {}, signal?: AbortSignal): Promise<Box> {
    const request = this.request(over);
    const records: SandboxRecord[] = [];
    const scope = this.scope(signal, records);
    const volume = await this.executor.allocate(request, scope);
    return new Box(await this.executor.prepare(request, volume, scope), records);
  }

  /** Removes the folders alone: for a worker whose daemon is gone for good. */
  async abandon(): Promise<void> {
    await Promise.allSettled([this.executor[Symbol.asyncDispose]()]);
    const memory = join(this.host.stateDir, 'memory');
    if (existsSync(memory)) await unmountBelow(memory);
    await rm(join(this.host.stateDir, '..'), { recursive: true, force: true });
  }

  /** While it is open its own network, rules and memory are there too. */
  residue(): string[] {
    return new Witness(this.#options.address).residue(this.host.ownerId, this.host.stateDir);
  }

  /** What is there of its jobs. */
  leftOfJobs(): string[] {
    return this.residue().filter((thing) => !/^table |^network ritmo-[0-9a-f]{6}$|\/state\/memory /.test(thing));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.executor[Symbol.asyncDispose]();
    const left = this.residue();
    await rm(join(this.host.stateDir, '..'), { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }
}

/** A sandbox with the words that tests are written in. */
export class Box implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly #records: readonly SandboxRecord[];
  #steps = 0;

  constructor(sandbox: Sandbox, records: readonly SandboxRecord[]) {
    this.sandbox = sandbox;
    this.#records = records;
  }

  /** What core would have kept of it. */
  get record(): SandboxRecord {
    const record = this.#records.at(-1);
    if (record === undefined) throw new Error('nothing was recorded');
    return record;
  }

  start(script: string, env: Record<string, string> = {}, graceMs = 2_000) {
    const step = { id: `step-${++this.#steps}`, argv: ['/bin/sh', '-c', script], env } as const;
    return this.#follow(graceMs, (scope) => this.sandbox.run(step, scope));
  }

  /** Takes up a step of the agent before. */
  attach(id: string, graceMs = 2_000) {
    this.#steps = Number(id.replace('step-', ''));
    const { sandbox } = this;
    return this.#follow(graceMs, async (scope) => {
      if (sandbox.attach === undefined) throw new Error('no step can be taken up');
      return await sandbox.attach(id, scope);
    });
  }

  #follow(graceMs: number, run: (scope: StepScope) => Promise<StepExit>) {
    const controller = new AbortController();
    /** In the text stdout and stderr may stand in any order: each comes by a way of its own. */
    const seen = { text: '', stdout: '' };
    const waiting = new Set<() => void>();
    const output: StepScope['output'] = {
      write: (stream, bytes) => {
        const text = Buffer.from(bytes).toString();
        seen.text += text;
        if (stream === 'stdout') seen.stdout += text;
        for (const look of waiting) look();
      },
    };
    const exit = run({ signal: controller.signal, stop: { signal: 'SIGTERM', graceMs }, output });
    exit.catch(() => undefined);
    return {
      exit,
      seen,
      abort: (cause: CancelCause) => controller.abort(cause),
      /** Resolves when the text has been printed; rejects when the step ends without. */
      printed: (text: string) =>
        new Promise<void>((resolve, reject) => {
          const look = () => seen.text.includes(text) && resolve();
          waiting.add(look);
          look();
          exit.then(
            (end) => reject(new Error(`ended with ${JSON.stringify(end)} after printing ${seen.text}`)),
            reject,
          );
        }),
    };
  }

  async sh(
    script: string,
    env: Record<string, string> = {},
  ): Promise<{ exit: StepExit; text: string; stdout: string }> {
    const step = this.start(script, env);
    const exit = await step.exit;
    return { exit, ...step.seen };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.sandbox[Symbol.asyncDispose]());
  }
}

import assert from 'node:assert/strict';
import type {
  CancelCause,
  CollectedEntry,
  CollectRequest,
  FileEntry,
  OutputWriter,
  Sandbox,
  SandboxRecord,
  SandboxRequest,
  StepExit,
  StepScope,
  WorkspaceVolume,
} from '@ritmo/agent-core/executor';
import { Capture } from './capture.js';
import { within } from '@ritmo/conformance';

export interface StepOptions {
  readonly argv?: readonly [string, ...string[]];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stop?: StepScope['stop'];
  readonly signal?: AbortSignal;
  readonly writer?: OutputWriter;
  /** Milliseconds that it may take before the time scale; 20,000 by default. */
  readonly limitMs?: number;
}

/** A step that runs. `exit` is bounded: it rejects when the step does not settle. */
export interface RunningStep {
  readonly output: Capture;
  readonly exit: Promise<StepExit>;
  abort(cause: CancelCause): void;
}

export interface FinishedStep {
  readonly exit: StepExit;
  readonly output: Capture;
}

export interface CollectedFile {
  readonly entry: CollectedEntry;
  readonly bytes: Buffer;
}

/** A sandbox with the words that cases are written in. */
export class TestSandbox {
  readonly sandbox: Sandbox;
  readonly volume: WorkspaceVolume;
  readonly request: SandboxRequest;
  readonly records: readonly SandboxRecord[];
  readonly #shell: string;
  readonly #ms: (ms: number) => number;
  #steps = 0;

  constructor(made: {
    sandbox: Sandbox;
    volume: WorkspaceVolume;
    request: SandboxRequest;
    records: readonly SandboxRecord[];
    shell: string;
    ms: (ms: number) => number;
  }) {
    this.sandbox = made.sandbox;
    this.volume = made.volume;
    this.request = made.request;
    this.records = made.records;
    this.#shell = made.shell;
    this.#ms = made.ms;
  }

  /** Starts a script of the POSIX shell; `args` become $1, $2 and so on. */
  start(script: string, options: StepOptions = {}): RunningStep {
    const controller = new AbortController();
    const output = new Capture();
    this.#steps += 1;
    const run = this.sandbox.run(
      {
        id: `step-${this.#steps}`,
        argv: options.argv ?? [this.#shell, '-c', script, 'sh', ...(options.args ?? [])],
        env: options.env ?? {},
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      },
      {
        signal: options.signal ?? controller.signal,
        stop: options.stop ?? { signal: 'SIGTERM', graceMs: this.#ms(2_000) },
        output: options.writer ?? output,
      },
    );
    const exit = within('the step', this.#ms(options.limitMs ?? 20_000), run).finally(() => output.settle());
    exit.catch(() => undefined);
    return { output, exit, abort: (cause) => controller.abort(cause) };
  }

  /** Runs a script to its end, whatever that is. */
  async sh(script: string, options: StepOptions = {}): Promise<FinishedStep> {
    const step = this.start(script, options);
    return { exit: await step.exit, output: step.output };
  }

  /** Runs a script that must succeed, and gives what it printed to stdout. */
  async ok(script: string, options: StepOptions = {}): Promise<string> {
    const { exit, output } = await this.sh(script, options);
    assert.deepEqual(
      { status: exit.status, code: exit.status === 'exited' ? exit.code : undefined },
      { status: 'exited', code: 0 },
      `a step that should succeed did not; it printed: ${output.all().slice(-500)}`,
    );
    return output.stdout;
  }

  /** Collects, reading every body. Entries come sorted by path. */
  async collect(request: Partial<CollectRequest> & Pick<CollectRequest, 'include'>): Promise<CollectedFile[]> {
    const found: CollectedFile[] = [];
    for await (const entry of this.stream(request)) {
      const chunks: Uint8Array[] = [];
      if (entry.kind === 'file') for await (const chunk of entry.body) chunks.push(Buffer.from(chunk));
      found.push({ entry, bytes: Buffer.concat(chunks) });
    }
    return found.toSorted((a, b) => (a.entry.path < b.entry.path ? -1 : 1));
  }

  /** Collects without reading. */
  stream(
    request: Partial<CollectRequest> & Pick<CollectRequest, 'include'>,
    signal: AbortSignal = new AbortController().signal,
  ): AsyncIterable<CollectedEntry> {
    return this.sandbox.collect(
      { exclude: [], dotfiles: false, maxFiles: 100_000, maxBytes: 2 ** 30, ...request },
      signal,
    );
  }

  async put(files: Iterable<FileEntry>, dest: string): Promise<void> {
    await within('put', this.#ms(10_000), this.sandbox.put(files, dest, new AbortController().signal));
  }

  async remove(...paths: string[]): Promise<void> {
    await within('remove', this.#ms(10_000), this.sandbox.remove(paths, new AbortController().signal));
  }
}

/** A file to put, from its text. */
export function file(path: string, text: string, mode = 0o644): FileEntry {
  const bytes = Buffer.from(text);
  return {
    kind: 'file',
    path,
    mode,
    mtimeMs: 1_700_000_000_000,
    size: bytes.length,
    body: (async function* () {
      yield bytes;
    })(),
  };
}

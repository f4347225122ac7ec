import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type CancelCause, RitmoError, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { signalProcess } from './processes.js';
import type { Tree } from './tree.js';

export interface ProcessSpec {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What belongs to the process, by its pid. */
  readonly tree: (pid: number) => Tree;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Runs a program to its end by the rules of `Sandbox.run`. */
export async function runProcess(spec: ProcessSpec, scope: StepScope): Promise<StepExit> {
  if (scope.signal.aborted) return cancelled(scope, false);
  let child: ChildProcess;
  let ended: Promise<Ended>;
  try {
    [child, ended] = await start(spec);
  } catch (error) {
    const message = `${spec.argv[0]} could not be started: ${String(error)}`;
    return { status: 'not-started', error: new RitmoError('RITMO_STEP_NOT_STARTED', message, { cause: error }) };
  }
  const pumps = Promise.all([pump('stdout', child.stdout, scope), pump('stderr', child.stderr, scope)]);
  const tree = spec.tree(child.pid ?? 0);
  const stopping = new Stopping(tree, scope);
  const end = await ended;
  const stopped = await stopping.finish();
  // Its children go with it: the pipes end when no one holds them.
  const stragglers = await tree.end(stopped === undefined ? 'exit' : 'cancel');
  await pumps;
  if (stopped !== undefined) return cancelled(scope, stopped.forced || stragglers > 0);
  const counted = stragglers > 0 ? { stragglers } : {};
  if (end.signal !== null) return { status: 'signalled', signal: end.signal, ...counted };
  return { status: 'exited', code: end.code ?? 0, ...counted };
}

function start(spec: ProcessSpec): Promise<[ChildProcess, Promise<Ended>]> {
  const [program, ...args] = spec.argv;
  // A group of its own: what a step sends to its group does not reach the agent.
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: spec.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<Ended>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve([child, ended]));
    child.once('error', reject);
  });
}

async function pump(stream: 'stdout' | 'stderr', from: Readable | null, scope: StepScope): Promise<void> {
  for await (const chunk of from ?? []) await scope.output.write(stream, chunk as Buffer);
}

function cancelled(scope: StepScope, forced: boolean): StepExit {
  return { status: 'cancelled', reason: (scope.signal.reason as CancelCause).reason, forced };
}

/** From the abort to the kill: the stop signal for the whole tree, the grace, the kill. */
class Stopping {
  readonly #tree: Tree;
  readonly #scope: StepScope;
  #timer: NodeJS.Timeout | undefined;
  #signalled: Promise<void> | undefined;
  #forced = false;

  constructor(tree: Tree, scope: StepScope) {
    this.#tree = tree;
    this.#scope = scope;
    scope.signal.addEventListener('abort', this.#stop, { once: true });
    if (scope.signal.aborted) this.#stop();
  }

  #stop = (): void => {
    const { graceMs } = this.#scope.signal.reason as CancelCause;
    this.#timer = setTimeout(() => {
      this.#forced = true;
      signalProcess(this.#tree.pid, 'SIGKILL');
    }, graceMs ?? this.#scope.stop.graceMs);
    this.#signalled = this.#tree.signal(this.#scope.stop.signal);
  };

  /** Once the process has ended; undefined when it was not stopped. */
  async finish(): Promise<{ forced: boolean } | undefined> {
    this.#scope.signal.removeEventListener('abort', this.#stop);
    clearTimeout(this.#timer);
    if (this.#signalled === undefined) return undefined;
    await this.#signalled;
    return { forced: this.#forced };
  }
}

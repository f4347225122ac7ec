import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { type CancelCause, RitmoError, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { descendantsOf, isRunning, type ProcessInfo, readProcess, signalProcess } from '@ritmo/host-linux';
import { confinement, markName } from './confine.js';
import type { Home } from './home.js';
import { closePipes, openPipes, type Pipes } from './pipes.js';

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Inside. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whose programs there are. */
  readonly root: 'rootfs' | 'host';
  /** Paths of the host and where they are seen, read-only. */
  readonly shown: ReadonlyArray<readonly [source: string, target: string]>;
}

export function notStarted(message: string, hint: string): StepExit {
  return { status: 'not-started', error: new RitmoError('RITMO_STEP_NOT_STARTED', message, { hint }) };
}

/** Runs a command to its end, by the rules of `Sandbox.run`. */
export async function runCommand(
  home: Home,
  command: Command,
  scope: StepScope,
): Promise<{ readonly exit: StepExit; readonly cpuMs: number }> {
  if (scope.signal.aborted) return { exit: cancelled(scope, false), cpuMs: 0 };
  const pipes = await openPipes(home.settings.root, home.settings.user);
  try {
    return await runOn(pipes, home, command, scope);
  } finally {
    await closePipes(pipes);
  }
}

/**
 * The first program inside. It goes to the folder ($1), looks for the program, waits for it, and says on descriptor 6
 * what could not be found and how much CPU time it took. It outlives the stop signal, which reaches all of the step.
 */
const launcher = `
trap : TERM INT HUP
cd -- "$1" 2>/dev/null || { echo no-folder >&6; exit 1; }
shift
case $1 in */*) found=$1 ;; *) found=$(command -v -- "$1") ;; esac
case $found in */*) [ -f "$found" ] && [ -x "$found" ] || found= ;; esac
[ -n "$found" ] || { echo no-program >&6; exit 1; }
(trap - TERM INT HUP; exec "$@" 6>&-)
code=$?
times >&6
exit $code
`;

async function runOn(pipes: Pipes, home: Home, command: Command, scope: StepScope) {
  const { bubblewrap, user, mark } = home.settings;
  const first = ['/bin/sh', '-c', launcher, 'step', command.cwd, ...command.argv];
  let child: ChildProcess;
  try {
    child = spawn(bubblewrap, ['--args', '4', '--json-status-fd', '5', '--', ...first], {
      cwd: '/',
      env: { [markName]: mark },
      detached: true,
      ...user,
      stdio: ['ignore', pipes.writeEnds[0], pipes.writeEnds[1], 'ignore', 'pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'E2BIG') throw error;
    const exit = notStarted('The arguments of the step are longer than the system allows.', 'Put them into a file.');
    return { exit, cpuMs: 0 };
  } finally {
    pipes.closeWriteEnds();
  }
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve()).once('exit', () => resolve());
  });
  const [args, status, words] = child.stdio.slice(4) as unknown as [Writable, Readable, Readable];
  args.on('error', () => undefined).end(confinement(home, command).join('\0') + '\0');
  const pumps = Promise.all([pump(pipes.readEnds[0], 'stdout', scope), pump(pipes.readEnds[1], 'stderr', scope)]);
  pumps.catch(() => undefined);
  const report = new StatusReport(status);
  const stopping = stopWhenAborted(home, child, report, ended, scope);
  const [, said] = await Promise.all([ended, textOf(words), report.closed]);
  const stopped = await stopping;
  // The kernel ends a pid namespace with its first process; once that is gone, nothing of the step is left.
  while (report.init !== undefined && isRunning(report.init)) await home.settings.clock.sleep(1);
  await pumps;
  return { exit: stopped ? cancelled(scope, stopped.forced) : exitOf(command, report, said), cpuMs: cpuMsOf(said) };
}

function exitOf({ argv: [program], cwd }: Command, { code }: StatusReport, said: string): StepExit {
  if (said === 'no-folder\n') return notStarted(`There is no folder ${cwd}.`, 'Check `dir:` of the step.');
  if (said === 'no-program\n') return notStarted(`There is no program ${program}.`, 'Check `shell:` of the step.');
  if (code === undefined)
    throw new RitmoError('RITMO_SANDBOX_BROKEN', 'Bubblewrap could not make the sandbox; its words are in the log.');
  // Bubblewrap says it as a shell does: 128 and the number of the signal.
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return signal === undefined ? { status: 'exited', code } : { status: 'signalled', signal };
}

/** What bubblewrap says of the process that it started: JSON objects, one a line. */
class StatusReport {
  /** The first process of the pid namespace. */
  init: ProcessInfo | undefined;
  /** Absent where the program was never run. */
  code: number | undefined;
  readonly closed: Promise<void>;
  #text = '';

  constructor(status: Readable) {
    status.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      const pid = /"child-pid":\s*(\d+)/.exec(this.#text)?.[1];
      const code = /"exit-code":\s*(\d+)/.exec(this.#text)?.[1];
      if (pid !== undefined) this.init ??= readProcess(Number(pid));
      if (code !== undefined) this.code = Number(code);
    });
    this.closed = new Promise((resolve) => status.once('close', resolve).once('error', () => resolve()));
  }
}

/** The stop signal to all of the step, the grace, the kill. Resolves with nothing where the step ended by itself. */
async function stopWhenAborted(
  home: Home,
  child: ChildProcess,
  report: StatusReport,
  ended: Promise<unknown>,
  { signal, stop }: StepScope,
): Promise<{ readonly forced: boolean } | undefined> {
  const over = new AbortController();
  void ended.then(() => over.abort());
  await new Promise<void>((resolve) => {
    if (signal.aborted || over.signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
    over.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  if (over.signal.aborted) return undefined;
  const { clock } = home.settings;
  const until = clock.monotonic() + ((signal.reason as CancelCause).graceMs ?? stop.graceMs);
  let reached = false;
  while (!over.signal.aborted && clock.monotonic() < until) {
    // In the first moments there may be no process that could be told.
    if (!reached && report.init !== undefined)
      for (const process of descendantsOf(report.init.pid)) reached = signalProcess(process, stop.signal) || reached;
    await clock.sleep(5, over.signal).catch(() => undefined);
  }
  if (over.signal.aborted) return reached ? { forced: false } : undefined;
  if (report.init !== undefined) signalProcess(report.init, 'SIGKILL');
  else child.kill('SIGKILL');
  return { forced: true };
}

async function pump(from: Readable, stream: 'stdout' | 'stderr', { output }: StepScope): Promise<void> {
  // A write that waits holds the reading back, and with it the step: that is all the flow control there is.
  for await (const chunk of from as AsyncIterable<Uint8Array>) await output.write(stream, chunk);
}

async function textOf(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** From the second line of the shell's `times`: user and system time of its children, as `0m1.25s 0m0.5s`. */
function cpuMsOf(said: string): number {
  const numbers =
    said
      .split('\n')[1]
      ?.match(/[\d.]+/g)
      ?.map(Number) ?? [];
  const [userMinutes = 0, user = 0, systemMinutes = 0, system = 0] = numbers;
  return Math.round(((userMinutes + systemMinutes) * 60 + user + system) * 1000);
}

function cancelled({ signal }: StepScope, forced: boolean): StepExit {
  return { status: 'cancelled', reason: (signal.reason as CancelCause).reason, forced };
}

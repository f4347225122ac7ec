import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { causeOf, type Clock, type OutputWriter, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { signalNamed } from '../process/signal-name.js';
import { signalProcess } from '../process/signal.js';
import { descendantsOf, type ProcessInfo, readProcess } from '../process/table.js';
import { type ConfinedProgram, startConfined } from './confined.js';
import { killConfined } from './kill.js';

const lookMs = 20;

/** Runs a tool of this host, confined, to its end; settles by the rules of `Sandbox.run`. */
export async function runTool(program: ConfinedProgram, scope: StepScope, clock: Clock): Promise<StepExit> {
  if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
  const child = startConfined(program);
  const ended = once(child, 'close');
  ended.catch(() => undefined);
  const inner = innerProcess(child);
  const over = new AbortController();
  const stopped = { reached: false, forced: false };
  const stopping = stopOnAbort({ child, inner, scope, clock, over: over.signal, stopped });
  const carried = Promise.all([
    carry(child.stdout, 'stdout', scope.output),
    carry(child.stderr, 'stderr', scope.output),
  ]);
  carried.catch(() => killConfined(child));
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  over.abort();
  await stopping;
  await carried;
  if (stopped.reached) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: stopped.forced };
  if (signal !== null) return { status: 'signalled', signal };
  const named = signalNamed((code ?? 0) - 128);
  // Bubblewrap tells a signal by a code above 128; git itself uses 128 and 129.
  return named !== undefined && (code ?? 0) > 129
    ? { status: 'signalled', signal: named }
    : { status: 'exited', code: code ?? 1 };
}

/** The first process of the tool's namespace: with it all others end. */
function innerProcess(child: ChildProcess): () => ProcessInfo | undefined {
  let text = '';
  let found: ProcessInfo | undefined;
  (child.stdio[4] as Readable | null)?.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString('latin1')}`.slice(0, 4_000);
    const pid = /"child-pid":\s*(\d+)/.exec(text)?.[1];
    if (pid !== undefined) found ??= readProcess(Number(pid));
  });
  return () => found;
}

interface Stopping {
  readonly child: ChildProcess;
  readonly inner: () => ProcessInfo | undefined;
  readonly scope: StepScope;
  readonly clock: Clock;
  readonly over: AbortSignal;
  readonly stopped: { reached: boolean; forced: boolean };
}

/** The stop signal to all of the tool once the scope's signal is aborted, and the kill when the grace is over. */
async function stopOnAbort({ child, inner, scope, clock, over, stopped }: Stopping): Promise<void> {
  const { signal, stop } = scope;
  try {
    if (!signal.aborted) await once(signal, 'abort', { signal: over });
    const until = clock.monotonic() + (causeOf(signal).graceMs ?? stop.graceMs);
    while (clock.monotonic() < until) {
      const first = inner();
      const running = first === undefined ? [] : descendantsOf(first.pid);
      if (stopped.reached && running.length === 0) break;
      if (!stopped.reached) {
        for (const target of running) if (signalProcess(target, stop.signal)) stopped.reached = true;
      }
      await clock.sleep(lookMs, over);
    }
    stopped.forced = !stopped.reached || (inner() !== undefined && descendantsOf(inner()?.pid ?? 0).length > 0);
    stopped.reached = true;
    const first = inner();
    if (first !== undefined) signalProcess(first, 'SIGKILL');
    killConfined(child);
  } catch (error) {
    if (!over.aborted) throw error;
  }
}

async function carry(stream: Readable | null, name: 'stdout' | 'stderr', writer: OutputWriter): Promise<void> {
  if (stream === null) return;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) await writer.write(name, chunk);
}

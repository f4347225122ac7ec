import { randomBytes } from 'node:crypto';
import {
  causeOf,
  type Clock,
  type LimitHit,
  RitmoError,
  type StepExit,
  type StepScope,
  Stopper,
} from '@ritmo/agent-core/executor';
import { type StepCommand, stepFile } from '@ritmo/host-linux';
import type { Counts } from '../job/counters.js';
import type { Marks, Output, StreamName } from '../supervisor/output.js';
import type { Answer, Asked, Supervisor } from '../supervisor/supervisor.js';
import type { CommandEnd, KeptStep, StepKeeper } from './kept-step.js';
import type { ContainerProcesses } from './processes.js';
import { settle } from './settle.js';

/** How often a running step is looked at from outside, and how long a supervisor may owe an answer, in milliseconds. */
const lookMs = 250;
const answerMs = 5_000;

/** A started container, as commands need it. */
export interface CommandHost extends StepKeeper {
  readonly supervisor: Supervisor;
  readonly output: Output;
  readonly processes: ContainerProcesses;
  readonly clock: Clock;
  /** Rejects with RITMO_SANDBOX_BROKEN when the container ends, RITMO_EXECUTOR_UNAVAILABLE when the daemon is lost. */
  readonly ended: Promise<never>;
  /** Looks whether a limit is being run into. */
  sampleLimits(): void;
  /** The limit that was run into since the last call. */
  limitHit(): LimitHit | undefined;
  /** What the container has counted so far. */
  counted(): Counts;
  /** Writes the step file and gives its path inside; undone by `takeAway`. */
  place(text: string): Promise<string>;
  takeAway(file: string): Promise<void>;
  /** What ends the output of a step; with `before` also what agents before this one may have put there. */
  marks(nonce: string, before: boolean): (name: StreamName) => Marks;
}

/** Runs a command to its end; settles by the rules of `Sandbox.run`. */
export async function runCommand(
  host: CommandHost,
  id: string,
  command: StepCommand,
  scope: StepScope,
): Promise<StepExit> {
  if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
  let text: string;
  try {
    text = stepFile(command);
  } catch (error) {
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') return { status: 'not-started', error };
    throw error;
  }
  const file = await host.place(text);
  host.limitHit();
  const nonce = randomBytes(16).toString('hex');
  const step = { id, nonce, file, cwd: command.cwd, program: command.argv[0], counters: host.counted() };
  host.keep(step);
  host.output.begin(scope.output);
  try {
    return await follow(host, step, host.supervisor.run(nonce, file), scope);
  } finally {
    host.output.stop();
    await host.takeAway(file);
  }
}

/** Takes up a command that another agent process began; settles by the rules of `Sandbox.run`. */
export async function attachCommand(host: CommandHost, step: KeptStep, scope: StepScope): Promise<StepExit> {
  host.output.begin(scope.output);
  try {
    if (step.end === undefined) return await follow(host, step, host.supervisor.resume(step.nonce, step.file), scope);
    await host.output.finish(host.marks(step.nonce, true));
    return settle(stepOf(step), step.end);
  } finally {
    host.output.stop();
    await host.takeAway(step.file);
  }
}

async function follow(host: CommandHost, step: KeptStep, request: Asked, scope: StepScope): Promise<StepExit> {
  const { supervisor, processes, clock } = host;
  const over = new AbortController();
  processes.started = request.started;
  const stopper = new Stopper(processes, scope, clock);
  try {
    const answered = Promise.race([request.answer, watch(host, over.signal), supervisor.broken, host.ended]);
    // After a kill the answer says nothing new, and may never come.
    const answer = await Promise.race([answered, stopper.killed.then(() => orSoon(answered, clock, over.signal))]);
    const stopped = await stopper.finish();
    host.sampleLimits();
    const stragglers = await endRest(processes);
    const limit = host.limitHit();
    const end: CommandEnd = { answer, stragglers, ...(stopped && { stopped }), ...(limit && { limit }) };
    // From here on the next agent needs to ask nobody.
    host.keep({ ...step, end });
    await host.output.finish(host.marks(step.nonce, false));
    return settle(stepOf(step), end);
  } finally {
    over.abort();
    await stopper.finish().catch(() => undefined);
    supervisor.close();
  }
}

/** Ends what outlived the command. The shells that ran it are about to end and not counted. */
async function endRest(processes: ContainerProcesses): Promise<number> {
  return processes.running().length === 0 ? 0 : await processes.end();
}

async function orSoon(answered: Promise<Answer>, clock: Clock, signal: AbortSignal): Promise<Answer> {
  const lost: Answer = { kind: 'ended', signalled: true };
  const late = clock.sleep(answerMs, signal).then(
    () => {
      throw silent();
    },
    () => lost,
  );
  return await Promise.race([answered, late]);
}

/** Rejects when nothing of the step runs any more and yet the supervisor says nothing. */
async function watch(host: CommandHost, signal: AbortSignal): Promise<never> {
  const { processes, clock } = host;
  for (let quietSince: number | undefined; ; ) {
    await clock.sleep(lookMs, signal).catch(() => new Promise<never>(() => undefined));
    host.sampleLimits();
    if (processes.running().length > 0) quietSince = undefined;
    else quietSince ??= clock.monotonic();
    if (quietSince !== undefined && clock.monotonic() - quietSince > answerMs) throw silent();
  }
}

function silent(): RitmoError {
  return new RitmoError('RITMO_SANDBOX_BROKEN', 'The supervisor of the container does not answer.', {
    hint: 'A step has stopped or ended it.',
  });
}

const stepOf = ({ cwd, program }: KeptStep) => ({ cwd, argv: [program] as const });

import {
  causeOf,
  type Clock,
  type LimitHit,
  notStarted,
  RitmoError,
  type StepExit,
  type StepScope,
  type Stopped,
  Stopper,
} from '@ritmo/agent-core/executor';
import { signalNamed } from '@ritmo/host-linux';
import type { Output } from '../supervisor/output.js';
import type { Answer, Supervisor } from '../supervisor/supervisor.js';
import { type Command, stepFile } from '../supervisor/step-file.js';
import type { ContainerProcesses } from './processes.js';

/** How often a running step is looked at from outside, and how long a supervisor may owe an answer, in milliseconds. */
const lookMs = 250;
const answerMs = 5_000;

/** A started container, as commands need it. */
export interface CommandHost {
  readonly supervisor: Supervisor;
  readonly output: Output;
  readonly processes: ContainerProcesses;
  readonly clock: Clock;
  /** Rejects with RITMO_SANDBOX_BROKEN when the container ends. */
  readonly ended: Promise<never>;
  /** Looks whether a limit is being run into. */
  sampleLimits(): void;
  /** The limit that was run into since the last call. */
  limitHit(): LimitHit | undefined;
  /** Writes the step file and gives its path inside; undone by `takeAway`. */
  place(text: string): Promise<string>;
  takeAway(): Promise<void>;
}

/** Runs a command to its end; settles by the rules of `Sandbox.run`. */
export async function runCommand(host: CommandHost, command: Command, scope: StepScope): Promise<StepExit> {
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
  host.output.begin(scope.output);
  try {
    return await follow(host, command, scope, file);
  } finally {
    host.output.stop();
    await host.takeAway();
  }
}

async function follow(host: CommandHost, command: Command, scope: StepScope, file: string): Promise<StepExit> {
  const { supervisor, processes, clock } = host;
  const over = new AbortController();
  const request = supervisor.run(file);
  processes.started = request.started;
  const stopper = new Stopper(processes, scope, clock);
  try {
    const answered = Promise.race([request.answer, watch(host, over.signal), supervisor.broken, host.ended]);
    // After a kill the answer says nothing new, and may never come.
    const answer = await Promise.race([answered, stopper.killed.then(() => orSoon(answered, clock, over.signal))]);
    const stopped = await stopper.finish();
    host.sampleLimits();
    const stragglers = await endRest(processes);
    await host.output.finish();
    return settle({ command, answer, stopped, stragglers, limit: host.limitHit() });
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
  const lost: Answer = { kind: 'ended', code: undefined, signalled: true };
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

interface Facts {
  readonly command: Command;
  readonly answer: Answer;
  readonly stopped: Stopped | undefined;
  readonly stragglers: number;
  readonly limit: LimitHit | undefined;
}

function settle({ command, answer, stopped, stragglers, limit }: Facts): StepExit {
  if (stopped !== undefined) return { status: 'cancelled', reason: stopped.cause.reason, forced: stopped.forced };
  if (answer.kind === 'no-folder') {
    const error = notStarted(`There is no folder ${command.cwd} that the step may enter.`, 'Check `dir:` of the step.');
    return { status: 'not-started', error };
  }
  if (answer.kind === 'no-program') {
    const [program] = command.argv;
    const error = notStarted(
      `There is no program ${program} in the image.`,
      'Check `shell:` of the step and the image.',
    );
    return { status: 'not-started', error };
  }
  const signal = answer.signalled ? signalNamed((answer.code ?? 137) - 128) : undefined;
  const failed = signal !== undefined || answer.code !== 0;
  const more = {
    ...(limit !== undefined && failed ? { limit } : {}),
    ...(stragglers > 0 ? { stragglers } : {}),
  };
  return signal === undefined
    ? { status: 'exited', code: answer.code ?? 137, ...more }
    : { status: 'signalled', signal, ...more };
}

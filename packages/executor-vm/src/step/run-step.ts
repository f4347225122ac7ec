import { randomBytes } from 'node:crypto';
import {
  causeOf,
  type Clock,
  type LimitHit,
  refusedStep,
  RitmoError,
  type StepExit,
  type Stopped,
  type StepScope,
} from '@ritmo/agent-core/executor';
import { signalNamed, type StepCommand, stepFile } from '@ritmo/host-linux';
import type { StepAnswer, StepEnd } from '../machine/control.js';
import type { Machine } from '../machine/machine.js';
import { Output } from './output.js';
import { Stopper } from './stopper.js';

/** What bounds a step inside of its machine. */
export interface StepBounds {
  readonly memoryBytes: number;
  readonly pids: number;
}

/** Below this a disk counts as full, in blocks of 4 KiB. */
const fullBlocks = 64;

/** Runs a command to its end; settles by the rules of `Sandbox.run`. */
export async function runStep(
  machine: Machine,
  command: StepCommand,
  bounds: StepBounds,
  scope: StepScope,
  clock: Clock,
): Promise<StepExit> {
  if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
  let file: Buffer;
  try {
    file = Buffer.from(stepFile(command));
  } catch (error) {
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') return { status: 'not-started', error };
    throw error;
  }
  const mark = randomBytes(16).toString('hex');
  const output = new Output(machine.stdout, machine.stderr, mark, scope.output);
  const { answer, started } = machine.control.run(mark, file.length, bounds.memoryBytes, bounds.pids);
  machine.data.write(file).catch(() => undefined);
  const stopper = new Stopper(machine.control, scope, clock, started);
  try {
    const end = await Promise.race([answer, stopper.deaf.then(() => 'deaf' as const)]);
    if (end === 'deaf') {
      await machine[Symbol.asyncDispose]();
      const stopped = stopper.finish();
      return { status: 'cancelled', reason: stopped?.cause.reason ?? 'user', forced: true };
    }
    const stopped = stopper.finish();
    await output.finish();
    return settle(command, end, stopped);
  } finally {
    stopper.finish();
    output.stop();
  }
}

function settle(command: StepCommand, answer: StepAnswer, stopped: Stopped | undefined): StepExit {
  if (stopped !== undefined) return { status: 'cancelled', reason: stopped.cause.reason, forced: stopped.forced };
  if (answer.kind === 'no-folder') {
    return refusedStep(`There is no folder ${command.cwd} that the step may enter.`, 'Check `dir:` of the step.');
  }
  if (answer.kind !== 'ended') {
    return refusedStep(
      `There is no program ${command.argv[0]} in the image.`,
      'Check `shell:` of the step and the image.',
    );
  }
  const signal = answer.signalled ? (signalNamed((answer.code ?? 137) - 128) ?? 'SIGKILL') : undefined;
  const failed = signal !== undefined || answer.code !== 0;
  const limit = failed ? limitOf(answer) : undefined;
  const more = {
    ...(limit === undefined ? {} : { limit }),
    ...(answer.stragglers === 0 ? {} : { stragglers: answer.stragglers }),
  };
  return signal === undefined
    ? { status: 'exited', code: answer.code ?? 137, ...more }
    : { status: 'signalled', signal, ...more };
}

function limitOf({ outOfMemoryKills, refusedForks, free }: StepEnd): LimitHit | undefined {
  if (outOfMemoryKills > 0) return 'memory';
  if (refusedForks > 0) return 'pids';
  return free !== undefined && (free.blocks < fullBlocks || free.files === 0) ? 'disk' : undefined;
}

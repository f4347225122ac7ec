import { randomBytes } from 'node:crypto';
import {
  causeOf,
  type Clock,
  type LimitHit,
  RitmoError,
  type StepExit,
  type StepScope,
  type Stopped,
  Stopper,
} from '@ritmo/agent-core/executor';
import { type StepCommand, stepFile } from '@ritmo/host-linux';
import type { RemoteCalls } from '../../docker/remote-calls.js';
import { settle } from '../../step/settle.js';
import type { Shell } from '../../supervisor/supervisor.js';
import { AttachedStep } from './attached-step.js';
import type { StepEnd } from './marked-output.js';
import type { RemoteProcesses } from './remote-processes.js';
import { type OwnPids, stepScript } from './scripts.js';

/** How often a running step is looked at from outside, and how long its shell may owe an answer, in milliseconds. */
const lookMs = 5_000;
const answerMs = 5_000;
/** Around a program that runs there are two shells of ours. */
const leastProcesses = 3;

/** A started container, as steps need it. */
export interface StepHost {
  readonly calls: RemoteCalls;
  readonly clock: Clock;
  readonly container: string;
  readonly shell: Shell;
  readonly own: OwnPids;
  readonly processes: RemoteProcesses;
  /** Rejects with why when the container ends. */
  readonly ended: Promise<never>;
}

/** Runs a command to its end; settles by the rules of `Sandbox.run`. */
export async function runRemoteStep(host: StepHost, command: StepCommand, scope: StepScope): Promise<StepExit> {
  if (scope.signal.aborted) return { status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false };
  let file: string;
  try {
    file = stepFile(command);
  } catch (error) {
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') return { status: 'not-started', error };
    throw error;
  }
  const nonce = randomBytes(16).toString('hex');
  const { calls, container, shell, own, processes, clock } = host;
  const starting = calls.exec(container, ['/bin/sh'], new AbortController().signal);
  const socket = await Promise.race([starting, host.ended]).catch((error: unknown) => {
    starting.then((late) => late.destroy()).catch(() => undefined);
    throw error;
  });
  const step = new AttachedStep(socket, nonce, shell, scope.output);
  processes.begin(() => step.wrapper);
  const stopper = new Stopper(processes, scope, clock);
  const over = new AbortController();
  try {
    step.send(stepScript(nonce, file, own));
    const ended = Promise.race([step.ended(), watch(host, over.signal), host.ended]);
    ended.catch(() => undefined);
    // After a kill its shell says nothing new, and may never say it.
    const end = await Promise.race([ended, stopper.killed.then(() => orSoon(ended, host, over.signal))]);
    processes.over();
    const stopped = await stopper.finish();
    await processes.end();
    return settle(command, { ...(await toldOf(end, stopped, host)), ...(stopped && { stopped }) });
  } finally {
    over.abort();
    processes.over();
    await stopper.finish().catch(() => undefined);
    step.stop();
  }
}

/** What its shell said; where it ended without a word, that is what has happened to it. */
async function toldOf(end: StepEnd | undefined, stopped: Stopped | undefined, { clock, ended }: StepHost) {
  if (end !== undefined) {
    const { answer, stragglers, oomKills, refusedForks } = end;
    const limit: LimitHit | undefined = oomKills > 0 ? 'memory' : refusedForks > 0 ? 'pids' : undefined;
    return { answer, stragglers, ...(limit !== undefined && { limit }) };
  }
  if (stopped !== undefined) return { answer: { kind: 'ended', signalled: true } as const, stragglers: 0 };
  // The container may be on its way down, and then says why.
  await Promise.race([clock.sleep(answerMs), ended]);
  throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The shell that runs the step ended without a word.', {
    hint: 'A step has ended it, or the connection to the Docker daemon was lost.',
  });
}

/** Waits for the end a while after the kill; then ends also the shell around the step. */
async function orSoon(
  ended: Promise<StepEnd | undefined>,
  { processes, clock }: StepHost,
  signal: AbortSignal,
): Promise<StepEnd | undefined> {
  const late = clock.sleep(answerMs, signal).then(
    () => processes.end().then(() => undefined),
    () => undefined,
  );
  return await Promise.race([ended, late]);
}

/** Rejects when nothing of the step runs any more and yet its shell says nothing. */
async function watch({ processes, clock }: StepHost, signal: AbortSignal): Promise<never> {
  for (let quiet = 0; ; ) {
    await clock.sleep(lookMs, signal).catch(() => new Promise<never>(() => undefined));
    const seen = await processes.seen().catch(() => undefined);
    quiet = seen !== undefined && seen.length < leastProcesses ? quiet + 1 : 0;
    if (quiet < 2) continue;
    await processes.end();
    throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The shell that runs the step does not answer.', {
      hint: 'A step has stopped or ended it.',
    });
  }
}

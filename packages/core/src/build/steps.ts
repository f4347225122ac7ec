import type { Job, JobStep, StepResult } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { Clock } from '../executor/host.js';
import type { CancelCause } from '../executor/request.js';
import type { Sandbox, StepExit, StepScope } from '../executor/sandbox.js';
import type { LogRecorder } from '../log/index.js';
import type { Cancellation } from './cancellation.js';
import { withDeadline } from './deadline.js';
import { stepEnvironment, stepName, type StepFacts } from './environment.js';
import { stepFailed, stopped, succeeded, type Verdict } from './outcome.js';
import { GuardedOutput } from './guarded-output.js';
import type { RunningStep, StepsProgress } from './progress.js';
import { scriptCommand, textFile } from './step-files.js';

/** How long all cleanup steps of a cancelled build may take together, in milliseconds. */
export const cleanupMs = 30_000;
/** Grace of a cleanup step whose time is over. */
const cleanupGraceMs = 2_000;

export interface StepsContext {
  readonly job: Job;
  readonly sandbox: Sandbox;
  readonly cancellation: Cancellation;
  readonly recorder: LogRecorder;
  readonly clock: Clock;
  readonly facts: Omit<StepFacts, 'step' | 'workdir'>;
  /** Values of the secrets by variable, or paths of their files. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly mask: (text: string) => string;
  /** Where another agent process was when it ended. */
  readonly from?: StepsProgress;
  /** The step that the sandbox can take up, after a recovery. */
  readonly attachable?: string;
  /** Keeps what another agent process needs to go on. */
  readonly keep: (progress: StepsProgress) => Promise<void>;
  readonly started: (index: number, name: string) => void;
  readonly finished: (index: number, exit: StepExit, durationMs: number) => void;
}

/**
 * Runs the steps in order. The first that fails without `continueOnError` decides; after it, and after a cancel,
 * only `failure` and `always` steps run, the latter within `cleanupMs`.
 */
export async function runSteps(
  context: StepsContext,
): Promise<{ readonly verdict: Verdict; readonly steps: readonly StepResult[] }> {
  const { job, cancellation, from, clock } = context;
  const steps: StepResult[] = [...(from?.steps ?? [])];
  let verdict = from?.verdict ?? succeeded;
  const cleanup = new CleanupTime(cancellation);
  try {
    for (const [index, step] of job.steps.entries()) {
      if (index < steps.length) continue;
      const before = from?.running?.index === index ? from.running : undefined;
      if (cancellation.cause && verdict.outcome === 'succeeded') verdict = stopped(cancellation.cause.reason);
      const name = stepName(step, context.mask);
      if (!before && (!isDue(step, verdict) || cleanup.over)) {
        steps.push({ index, name, status: 'skipped', durationMs: 0 });
        continue;
      }
      const isCleanup = cancellation.cause !== undefined;
      const running = before ?? { index, beganAt: clock.now(), cleanup: isCleanup };
      if (!before) await context.keep({ steps, verdict, running });
      const signal = running.cleanup ? cleanup.signal() : cancellation.signal;
      const { exit, durationMs } = await runStep(context, { step, name, running, resumed: !!before, signal });
      steps.push(stepResult(index, name, exit, durationMs));
      const ok = exit.status === 'exited' && exit.code === 0;
      const forgiven = step.continueOnError && !cancellation.cause;
      if (!ok && !forgiven && verdict.outcome === 'succeeded') {
        verdict = stepFailed(name, exit, durationMs, context.mask, step.timeout);
      }
    }
  } finally {
    cleanup[Symbol.dispose]();
  }
  if (cancellation.cause && verdict.outcome === 'succeeded') verdict = stopped(cancellation.cause.reason);
  await context.keep({ steps, verdict });
  return { verdict, steps };
}

function isDue(step: JobStep, verdict: Verdict): boolean {
  return step.when === 'always' || (step.when === 'success') === (verdict.outcome === 'succeeded');
}

/** A step whose turn it is. */
interface StepTurn {
  readonly step: JobStep;
  /** Masked. */
  readonly name: string;
  readonly running: RunningStep;
  /** Another agent process has begun it. */
  readonly resumed: boolean;
  readonly signal: AbortSignal;
}

async function runStep(context: StepsContext, turn: StepTurn): Promise<{ exit: StepExit; durationMs: number }> {
  const { recorder, clock } = context;
  const { step, name, running, resumed, signal } = turn;
  const { index } = running;
  const passedMs = resumed ? Math.max(0, clock.now() - running.beganAt) : 0;
  const begin = clock.monotonic() - passedMs;
  if (!recorder.hasBegun(index)) recorder.stepStarted(index, name, context.mask(step.run));
  if (!resumed) context.started(index, name);
  const left = step.timeout === undefined ? undefined : Math.max(0, step.timeout - passedMs);
  using deadline = withDeadline([signal], left, { reason: 'step-timeout' });
  const exit = await exitOf(context, turn, deadline.signal);
  const durationMs = Math.round(clock.monotonic() - begin);
  if (recorder.hasEnded(index)) return { exit, durationMs };
  recorder.stepEnded(index, ended(exit));
  if (exit.status === 'not-started') recorder.note('error', exit.error.message);
  const stragglers = 'stragglers' in exit ? (exit.stragglers ?? 0) : 0;
  if (stragglers > 0) {
    const them =
      stragglers === 1
        ? 'A process that the step left running was'
        : `${stragglers} processes that the step left running were`;
    recorder.note('warn', `${them} ended. Processes do not outlive their step; use \`services:\` for what must.`);
  }
  context.finished(index, exit, durationMs);
  return { exit, durationMs };
}

/** No step runs twice: where the journal could not be written, the sandbox may be further than it says. */
function assertNotPassed(index: number, attachable: string | undefined): void {
  const begun = Number(/^step-(\d+)$/.exec(attachable ?? '')?.[1] ?? -1);
  if (begun > index)
    throw new RitmoError('RITMO_AGENT_CRASHED', 'The agent died, and its journal is behind the build.');
}

/** Runs the step, or takes it up where it was begun by another agent process. */
async function exitOf(
  context: StepsContext,
  { step, name, running: { index }, resumed }: StepTurn,
  signal: AbortSignal,
): Promise<StepExit> {
  const { job, sandbox, recorder } = context;
  const id = `step-${index}`;
  const files = [`${sandbox.privateDir}/${id}`];
  const always = new AbortController().signal;
  const output = new GuardedOutput(recorder.output(index));
  using stop = withDeadline([signal, output.refused], undefined, { reason: 'limit' });
  const scope: StepScope = { signal: stop.signal, stop: { signal: 'SIGTERM', graceMs: job.grace }, output };
  let exit: StepExit;
  if (resumed) assertNotPassed(index, context.attachable);
  if (resumed && sandbox.attach && context.attachable === id) exit = await sandbox.attach(id, scope);
  else {
    if (resumed) await sandbox.remove(files, always);
    await sandbox.put([textFile(`${id}/script`, step.run, 0o500)], sandbox.privateDir, always);
    const spec = {
      id,
      argv: scriptCommand(step, `${sandbox.privateDir}/${id}/script`),
      ...(step.dir !== undefined && { cwd: step.dir }),
      env: stepEnvironment(job, step, { ...context.facts, step: name, workdir: sandbox.workdir }, context.secrets),
    };
    exit = await sandbox.run(spec, scope);
  }
  output.throwIfRefused();
  await sandbox.remove(files, always);
  return exit;
}

/** What the log says of a step's end. */
function ended(exit: StepExit): { code?: number; signal?: string; reason?: string; limit?: string } {
  switch (exit.status) {
    case 'exited':
      return { code: exit.code, ...(exit.limit && { limit: exit.limit }) };
    case 'signalled':
      return { signal: exit.signal, ...(exit.limit && { limit: exit.limit }) };
    case 'cancelled':
      return { reason: exit.reason, signal: exit.forced ? 'SIGKILL' : 'SIGTERM' };
    case 'not-started':
      return { reason: 'not-started' };
  }
}

function stepResult(index: number, name: string, exit: StepExit, durationMs: number): StepResult {
  const base = { index, name, durationMs };
  switch (exit.status) {
    case 'exited':
      return {
        ...base,
        status: exit.code === 0 ? 'succeeded' : 'failed',
        exitCode: exit.code,
        ...(exit.limit && { limit: exit.limit }),
      };
    case 'signalled':
      return { ...base, status: 'failed', signal: exit.signal, ...(exit.limit && { limit: exit.limit }) };
    case 'cancelled':
      return { ...base, status: exit.reason.endsWith('-timeout') ? 'timed_out' : 'cancelled' };
    case 'not-started':
      return { ...base, status: 'errored' };
  }
}

/** Which signal a step listens to: the build's own, or after a cancel that of the time for cleanup. */
class CleanupTime implements Disposable {
  readonly #cancellation: Cancellation;
  #deadline: (Disposable & { readonly signal: AbortSignal }) | undefined;

  constructor(cancellation: Cancellation) {
    this.#cancellation = cancellation;
  }

  signal(): AbortSignal {
    const { cause, signal, abandoned } = this.#cancellation;
    if (!cause) return signal;
    const end: CancelCause = { reason: cause.reason, graceMs: cleanupGraceMs };
    this.#deadline ??= withDeadline([abandoned], cleanupMs, end);
    return this.#deadline.signal;
  }

  get over(): boolean {
    return this.#cancellation.abandoned.aborted || this.#deadline?.signal.aborted === true;
  }

  [Symbol.dispose](): void {
    this.#deadline?.[Symbol.dispose]();
  }
}

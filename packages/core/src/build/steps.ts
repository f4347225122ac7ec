import type { Job, JobStep, StepResult } from '@ritmo/protocol';
import type { Clock } from '../executor/host.js';
import type { CancelCause } from '../executor/request.js';
import type { Sandbox, StepExit } from '../executor/sandbox.js';
import type { LogRecorder } from '../log/index.js';
import type { Cancellation } from './cancellation.js';
import { withDeadline } from './deadline.js';
import { stepEnvironment, stepName, type StepFacts } from './environment.js';
import { stepFailed, stopped, succeeded, type Verdict } from './outcome.js';
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
  const { job, cancellation } = context;
  const steps: StepResult[] = [];
  let verdict = succeeded;
  const cleanup = new CleanupTime(cancellation);
  try {
    for (const [index, step] of job.steps.entries()) {
      if (cancellation.cause && verdict.outcome === 'succeeded') verdict = stopped(cancellation.cause.reason);
      const name = context.mask(stepName(step));
      if (!isDue(step, verdict) || cleanup.over) {
        steps.push({ index, name, status: 'skipped', durationMs: 0 });
        continue;
      }
      const { exit, durationMs } = await runStep(context, index, name, step, cleanup.signal());
      steps.push(stepResult(index, name, exit, durationMs));
      const ok = exit.status === 'exited' && exit.code === 0;
      const forgiven = step.continueOnError && !cancellation.cause;
      if (!ok && !forgiven && verdict.outcome === 'succeeded') {
        verdict = stepFailed(name, exit, durationMs, step.timeout);
      }
    }
  } finally {
    cleanup[Symbol.dispose]();
  }
  if (cancellation.cause && verdict.outcome === 'succeeded') verdict = stopped(cancellation.cause.reason);
  return { verdict, steps };
}

function isDue(step: JobStep, verdict: Verdict): boolean {
  return step.when === 'always' || (step.when === 'success') === (verdict.outcome === 'succeeded');
}

async function runStep(
  context: StepsContext,
  index: number,
  name: string,
  step: JobStep,
  signal: AbortSignal,
): Promise<{ exit: StepExit; durationMs: number }> {
  const { job, sandbox, recorder, clock } = context;
  const folder = `step-${index}`;
  const begin = clock.monotonic();
  recorder.stepStarted(index, name, context.mask(step.run));
  context.started(index, name);
  using deadline = withDeadline([signal], step.timeout, { reason: 'step-timeout' });
  const always = new AbortController().signal;
  await sandbox.put([textFile(`${folder}/script`, step.run, 0o500)], sandbox.privateDir, always);
  const exit = await sandbox.run(
    {
      id: folder,
      argv: scriptCommand(step, `${sandbox.privateDir}/${folder}/script`),
      ...(step.dir !== undefined && { cwd: step.dir }),
      env: stepEnvironment(job, step, { ...context.facts, step: name, workdir: sandbox.workdir }, context.secrets),
    },
    { signal: deadline.signal, stop: { signal: 'SIGTERM', graceMs: job.grace }, output: recorder.output(index) },
  );
  await sandbox.remove([`${sandbox.privateDir}/${folder}`], always);
  const durationMs = Math.round(clock.monotonic() - begin);
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

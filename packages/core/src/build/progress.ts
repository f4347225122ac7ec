import type { StepResult } from '@ritmo/protocol';
import type { CancelCause } from '../executor/request.js';
import type { Sandbox } from '../executor/sandbox.js';
import type { LogRecorder } from '../log/index.js';
import type { RestoredCache } from './caches.js';
import type { Verdict } from './outcome.js';

/** How far the steps of a build are. JSON; it holds no secret. */
export interface StepsProgress {
  /** Of the steps before the present one. */
  readonly steps: readonly StepResult[];
  readonly verdict: Verdict;
  /** Absent once all steps are through. */
  readonly running?: RunningStep;
}

/** The step that was begun last. */
export interface RunningStep {
  readonly index: number;
  /** Milliseconds since the epoch, by the wall: the agent that sees its end may be another process. */
  readonly beganAt: number;
  /** It runs in the time for cleanup after a cancel. */
  readonly cleanup: boolean;
}

/** What another agent process needs to go on with a build whose sandbox was ready. JSON; it holds no secret. */
export interface BuildProgress extends StepsProgress {
  readonly slot: number;
  readonly caches: readonly RestoredCache[];
  /** Why it is being stopped. */
  readonly cause?: CancelCause;
  /** The agent before left it in good order; else it died. */
  readonly left?: boolean;
}

/** Marks in the log where another agent process goes on. */
export function noteGap(recorder: LogRecorder, { left }: BuildProgress): void {
  if (left) recorder.note('info', 'The agent was replaced here: the build went on meanwhile.');
  else recorder.note('warn', diedNote);
}

const diedNote =
  'The agent died here and was started again: the build goes on. What was on its way to the log may be missing here.';

/** A sandbox that was taken up from the agent before this one. */
export interface RecoveredSandbox {
  readonly sandbox: Sandbox;
  /** The step that can be attached to. */
  readonly runningStep?: string;
}

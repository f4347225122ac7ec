import type { LimitHit, Stopped } from '@ritmo/agent-core/executor';
import type { Counts } from '../job/counters.js';
import type { Answer } from '../supervisor/supervisor.js';

/** How a command ended, as far as it is known before its output is through. JSON. */
export interface CommandEnd {
  readonly answer: Answer;
  readonly stopped?: Stopped;
  readonly stragglers: number;
  readonly limit?: LimitHit;
}

/** A step that was begun, for the agent after this one. JSON. */
export interface KeptStep {
  readonly id: string;
  readonly nonce: string;
  /** Path inside of the file that the supervisor reads. */
  readonly file: string;
  readonly cwd: string;
  readonly program: string;
  /** What the container had counted when it began. */
  readonly counters: Counts;
  /** Present once all of it is ended; its output may still be on its way. */
  readonly end?: CommandEnd;
}

export interface StepKeeper {
  keep(step: KeptStep): void;
}
